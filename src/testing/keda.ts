import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { type ControlPlane, freePorts, waitFor } from './control-plane.ts';

const runFile = promisify(execFile);

/** A real keda-operator beside a control plane. */
export interface Keda extends AsyncDisposable {
  /** All that it wrote so far. */
  log(): Promise<string>;
}

/** KEDA's resource definitions, as its release has them. */
const DEFINITIONS = resolve('../shared/kubernetes/keda');

/** Why a test is skipped where there is no KEDA; undefined where there is one. */
export function missingKeda(assets: string | undefined): string | undefined {
  if (assets !== undefined && existsSync(join(assets, 'keda-operator')) && existsSync(DEFINITIONS)) return undefined;
  return `there is no KEDA: KUBEBUILDER_ASSETS needs keda-operator, and ${DEFINITIONS} its resource definitions`;
}

/** Installs KEDA's definitions and starts its operator. Resolves when it watches ScaledObjects. */
export async function startKeda(assets: string, plane: ControlPlane): Promise<Keda> {
  const folder = await mkdtemp(join(tmpdir(), 'foresail-keda-'));
  let child: ChildProcess | undefined;
  const kill = () => child?.kill('SIGKILL');
  process.once('exit', kill);
  const dispose = async () => {
    process.removeListener('exit', kill);
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const exited = new Promise((done) => child?.once('exit', done));
      child.kill('SIGKILL');
      await exited;
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  const log = () => readFile(join(folder, 'keda-operator.log'), 'utf8');
  try {
    const files = (await readdir(DEFINITIONS)).filter((name) => name.endsWith('.yaml'));
    const named = files.flatMap((name) => ['-f', join(DEFINITIONS, name)]);
    await plane.kubectl(['apply', '--server-side', ...named]);
    await waitFor('the definitions of KEDA', async () =>
      (await plane.kubectl(['get', '--raw', '/apis/keda.sh/v1alpha1/scaledobjects'])).includes('ScaledObjectList'),
    );
    await plane.kubectl(['create', 'namespace', 'keda']);
    const certificates = join(folder, 'certificates');
    await mkdir(certificates);
    await makeCertificates(certificates);
    const [metrics, health, service] = await freePorts(3);
    const out = openSync(join(folder, 'keda-operator.log'), 'w');
    const args = [
      `--kubeconfig=${plane.kubeconfig}`,
      `--cert-dir=${certificates}`,
      '--enable-cert-rotation=false',
      '--enable-webhook-patching=false',
      '--enable-apiservice-patching=false',
      '--leader-elect=false',
      `--metrics-bind-address=127.0.0.1:${metrics}`,
      `--health-probe-bind-address=127.0.0.1:${health}`,
      `--metrics-service-bind-address=127.0.0.1:${service}`,
    ];
    const env = {
      PATH: process.env['PATH'],
      HOME: folder,
      POD_NAMESPACE: 'keda',
      POD_NAME: 'keda-0',
      WATCH_NAMESPACE: '',
      KEDA_CLUSTER_OBJECT_NAMESPACE: 'keda',
    };
    child = spawn(join(assets, 'keda-operator'), args, { cwd: folder, env, stdio: ['ignore', out, out] });
    await waitFor('keda-operator to be ready', async () => (await fetch(`http://127.0.0.1:${health}/readyz`)).ok);
    return { log, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** What the operator serves its metrics with; it makes nothing itself with rotation off. */
async function makeCertificates(folder: string): Promise<void> {
  const openssl = (...args: string[]) => runFile('openssl', args, { cwd: folder });
  await openssl(...'req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=keda-ca'.split(' '));
  await openssl(...'req -newkey rsa:2048 -nodes -keyout tls.key -out tls.csr -subj /CN=keda-operator'.split(' '));
  await writeFile(join(folder, 'san.ext'), 'subjectAltName=DNS:keda-operator,DNS:localhost,IP:127.0.0.1\n');
  const sign = 'x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile san.ext -out tls.crt';
  await openssl(...sign.split(' '));
}
