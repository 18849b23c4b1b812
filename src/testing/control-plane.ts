import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { KWOK_STAGES } from './kwok-stages.ts';

const runFile = promisify(execFile);

/** A real Kubernetes control plane on loopback, with its data in a temporary folder. */
export interface ControlPlane extends AsyncDisposable {
  /** Path of an administrator's kubeconfig. */
  readonly kubeconfig: string;
  /** Where its authorities, keys and certificates are: `ca` of clients, `fp-ca` and `fp` of the front proxy. */
  readonly folder: string;
  /** Runs kubectl with that kubeconfig; `input` goes to its standard input. Resolves to what it printed. */
  kubectl(args: readonly string[], input?: string | object): Promise<string>;
  /** Stops a program of it where it is, as SIGSTOP does, or lets it go on. */
  freeze(program: 'etcd' | 'kube-apiserver', frozen: boolean): void;
  /** Ends the API server, and starts another one on the same port and data after `downMs`. */
  restartApiServer(downMs: number): Promise<void>;
}

export interface ControlPlaneOptions {
  /**
   * True: also controllers (the HPA controller at a 1 s sync), the scheduler, and kwok with one node. A list: these
   * controllers alone, so that pods and workloads are what the test writes. Default false.
   */
  readonly controllers?: boolean | readonly string[];
  /** Added to the flags of a program. */
  readonly flags?: {
    readonly 'kube-apiserver'?: readonly string[];
    readonly 'kube-controller-manager'?: readonly string[];
  };
}

/** Why a test is skipped where there is none. */
export const NO_CONTROL_PLANE =
  'there is no control plane: set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubectl and kwok';

/**
 * The folder with etcd, kube-apiserver and the rest: `KUBEBUILDER_ASSETS`, or what `../shared/kubernetes/install`
 * unpacks. Undefined where there is neither: tests then say so and skip.
 */
export async function findControlPlane(): Promise<string | undefined> {
  const given = process.env['KUBEBUILDER_ASSETS'];
  if (given !== undefined && existsSync(join(given, 'kube-apiserver'))) return given;
  const install = resolve('../shared/kubernetes/install');
  if (!existsSync(install)) return undefined;
  return (await runFile(install, { timeout: 600_000 })).stdout.trim();
}

/** Starts etcd and the API server, and with `controllers` the rest. Resolves when the API server is ready. */
export async function startControlPlane(assets: string, options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const folder = await mkdtemp(join(tmpdir(), 'foresail-control-plane-'));
  const children: ChildProcess[] = [];
  const programs = new Map<string, { readonly child: ChildProcess; readonly args: readonly string[] }>();
  const killAll = () => {
    for (const child of children) child.kill('SIGKILL');
  };
  process.once('exit', killAll);
  const dispose = async () => {
    process.removeListener('exit', killAll);
    await Promise.all(children.reverse().map(end));
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  const start = (program: string, args: readonly string[]) => {
    const log = openSync(join(folder, `${program}.log`), 'w');
    const child = spawn(join(assets, program), args, { cwd: folder, stdio: ['ignore', log, log] });
    children.push(child);
    programs.set(program, { child, args });
  };
  const kubeconfig = join(folder, 'kubeconfig.json');
  const kubectl = (args: readonly string[], input?: string | object) =>
    runKubectl(join(assets, 'kubectl'), ['--kubeconfig', kubeconfig, ...args], input);

  try {
    await makeCertificates(folder);
    const [clients, peers, secure, controllers, scheduler, kwok] = await freePorts(6);
    start('etcd', [
      `--data-dir=${join(folder, 'etcd')}`,
      `--listen-client-urls=http://127.0.0.1:${clients}`,
      `--advertise-client-urls=http://127.0.0.1:${clients}`,
      `--listen-peer-urls=http://127.0.0.1:${peers}`,
      `--initial-advertise-peer-urls=http://127.0.0.1:${peers}`,
      `--initial-cluster=default=http://127.0.0.1:${peers}`,
      '--unsafe-no-fsync',
    ]);
    start('kube-apiserver', [
      `--etcd-servers=http://127.0.0.1:${clients}`,
      `--secure-port=${secure}`,
      '--bind-address=127.0.0.1',
      '--advertise-address=127.0.0.1',
      `--cert-dir=${join(folder, 'apiserver')}`,
      '--service-account-key-file=sa.key',
      '--service-account-signing-key-file=sa.key',
      '--service-account-issuer=https://kubernetes.default.svc',
      '--client-ca-file=ca.crt',
      '--requestheader-client-ca-file=fp-ca.crt',
      '--requestheader-allowed-names=front-proxy-client',
      '--requestheader-extra-headers-prefix=X-Remote-Extra-',
      '--requestheader-group-headers=X-Remote-Group',
      '--requestheader-username-headers=X-Remote-User',
      '--proxy-client-cert-file=fp.crt',
      '--proxy-client-key-file=fp.key',
      '--enable-aggregator-routing=false',
      '--authorization-mode=RBAC',
      '--service-cluster-ip-range=10.0.0.0/24',
      '--disable-admission-plugins=ServiceAccount',
      ...(options.flags?.['kube-apiserver'] ?? []),
    ]);
    await waitFor('the API server to write its certificate', async () =>
      existsSync(join(folder, 'apiserver/apiserver.crt')),
    );
    await writeKubeconfig(folder, kubeconfig, secure!);
    await waitFor('the API server to be ready', async () => (await kubectl(['get', '--raw', '/readyz'])) === 'ok');

    const wanted = options.controllers ?? false;
    if (wanted !== false) {
      start('kube-controller-manager', [
        `--kubeconfig=${kubeconfig}`,
        '--service-account-private-key-file=sa.key',
        '--root-ca-file=ca.crt',
        `--controllers=${wanted === true ? '*' : wanted.join(',')}`,
        '--horizontal-pod-autoscaler-sync-period=1s',
        '--leader-elect=false',
        '--use-service-account-credentials=true',
        `--secure-port=${controllers}`,
        '--bind-address=127.0.0.1',
        `--cert-dir=${join(folder, 'controllers')}`,
        ...(options.flags?.['kube-controller-manager'] ?? []),
      ]);
    }
    if (wanted === true) {
      await writeFile(
        join(folder, 'scheduler.json'),
        JSON.stringify({
          apiVersion: 'kubescheduler.config.k8s.io/v1',
          kind: 'KubeSchedulerConfiguration',
          clientConnection: { kubeconfig },
          leaderElection: { leaderElect: false },
        }),
      );
      start('kube-scheduler', [
        '--config=scheduler.json',
        `--secure-port=${scheduler}`,
        '--bind-address=127.0.0.1',
        `--cert-dir=${join(folder, 'scheduler')}`,
      ]);
      await writeFile(join(folder, 'stages.json'), KWOK_STAGES.map((stage) => JSON.stringify(stage)).join('\n---\n'));
      start('kwok', [
        `--kubeconfig=${kubeconfig}`,
        '--manage-all-nodes=true',
        '--config=stages.json',
        `--server-address=127.0.0.1:${kwok}`,
      ]);
      await kubectl(['create', '-f', '-'], {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name: 'node-0', annotations: { 'kwok.x-k8s.io/node': 'fake' } },
      });
    }
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    kubeconfig,
    folder,
    kubectl,
    freeze: (program, frozen) => void programs.get(program)!.child.kill(frozen ? 'SIGSTOP' : 'SIGCONT'),
    async restartApiServer(downMs) {
      const { child, args } = programs.get('kube-apiserver')!;
      await end(child);
      await delay(downMs);
      start('kube-apiserver', args);
      await waitFor('the API server to be ready', async () => (await kubectl(['get', '--raw', '/readyz'])) === 'ok');
    },
    [Symbol.asyncDispose]: dispose,
  };
}

/** Asks until the answer is true; an error counts as no. */
export async function waitFor(what: string, ask: () => Promise<boolean>, timeoutMs = 240_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (let last: unknown; ; await delay(100)) {
    try {
      if (await ask()) return;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs / 1000} s for ${what}`, { cause: last });
  }
}

/** Ports that were free a moment ago, each of them different. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await new Promise((listening) => server.once('listening', listening));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}

/** An authority in `folder`, as files of that name. */
export async function makeAuthority(folder: string, name: string): Promise<void> {
  const words = `req -x509 -newkey rsa:2048 -nodes -keyout ${name}.key -out ${name}.crt -days 2 -subj /CN=${name}`;
  await runFile('openssl', words.split(' '), { cwd: folder });
}

/** A client's certificate in `folder`, as files of that name, issued by the authority there. */
export async function makeClient(folder: string, name: string, authority: string, subject: string): Promise<void> {
  const openssl = (words: string) => runFile('openssl', words.split(' '), { cwd: folder });
  await openssl(`req -newkey rsa:2048 -nodes -keyout ${name}.key -out ${name}.csr -subj ${subject}`);
  const by = `-CA ${authority}.crt -CAkey ${authority}.key -CAcreateserial`;
  await openssl(`x509 -req -in ${name}.csr ${by} -days 2 -extfile client.ext -out ${name}.crt`);
}

/** Authorities of clients and of the front proxy, a certificate of each, and the key that signs service accounts' tokens. */
async function makeCertificates(folder: string): Promise<void> {
  const openssl = (...args: string[]) => runFile('openssl', args, { cwd: folder });
  await writeFile(join(folder, 'client.ext'), 'extendedKeyUsage=clientAuth\n');
  await openssl('genrsa', '-out', 'sa.key', '2048');
  await makeAuthority(folder, 'ca');
  await makeAuthority(folder, 'fp-ca');
  await makeClient(folder, 'admin', 'ca', '/O=system:masters/CN=admin');
  await makeClient(folder, 'fp', 'fp-ca', '/CN=front-proxy-client');
}

async function writeKubeconfig(folder: string, path: string, port: number): Promise<void> {
  const base64 = async (name: string) => (await readFile(join(folder, name))).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
    clusters: [
      {
        name: 'test',
        cluster: {
          server: `https://127.0.0.1:${port}`,
          'certificate-authority-data': await base64('apiserver/apiserver.crt'),
        },
      },
    ],
    users: [
      {
        name: 'admin',
        user: { 'client-certificate-data': await base64('admin.crt'), 'client-key-data': await base64('admin.key') },
      },
    ],
  };
  await writeFile(path, JSON.stringify(config));
}

function runKubectl(program: string, args: readonly string[], input?: string | object): Promise<string> {
  return new Promise((resolved, rejected) => {
    const child = execFile(program, args, { timeout: 240_000 }, (error, stdout, stderr) => {
      if (error === null) resolved(stdout);
      else rejected(new Error(`cannot run kubectl ${args.slice(2).join(' ')}: ${stderr.trim()}`, { cause: error }));
    });
    child.stdin?.end(input === undefined || typeof input === 'string' ? input : JSON.stringify(input));
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((done) => child.once('exit', done));
  child.kill('SIGKILL');
  await exited;
}
