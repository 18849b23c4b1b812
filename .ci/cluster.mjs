// The tests on a real Kubernetes control plane: all files of test/real that start one.
//   node .ci/cluster.mjs [FLAGS OF VITEST]   runs them, or says what to install where there is no control plane
//   node .ci/cluster.mjs --others            prints the files of test/real that need none
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const FOLDER = 'test/real';
const PROGRAMS = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubectl', 'kwok'];

const files = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => `${FOLDER}/${name}`);
const needsCluster = (file) => readFileSync(file, 'utf8').includes('findControlPlane');

if (process.argv[2] === '--others') {
  console.log(files.filter((file) => !needsCluster(file)).join(' '));
} else {
  const wanting = whatIsMissing();
  if (wanting === undefined) {
    const words = ['vitest', 'run', '--project', 'real', ...files.filter(needsCluster), ...process.argv.slice(2)];
    process.exitCode = spawnSync('npx', words, { stdio: 'inherit' }).status ?? 1;
  } else {
    console.error(wanting);
    process.exitCode = 1;
  }
}

/** In words, with the remedy; undefined where nothing is. */
function whatIsMissing() {
  const folder = process.env['KUBEBUILDER_ASSETS'];
  const lacks = (name) => folder === undefined || !existsSync(join(folder, name));
  // As findControlPlane() of src/testing has it.
  if (lacks('kube-apiserver') && existsSync('../shared/kubernetes/install')) return undefined;
  const absent = PROGRAMS.filter(lacks);
  if (absent.length === 0) return undefined;
  const where =
    folder === undefined
      ? 'KUBEBUILDER_ASSETS is not set, and there is no ../shared/kubernetes'
      : `KUBEBUILDER_ASSETS is ${folder}, which lacks ${absent.join(', ')}`;
  return `There is no control plane to test on: ${where}.
Put these into one folder, and name it in KUBEBUILDER_ASSETS:
  etcd, kube-apiserver, kubectl            go install sigs.k8s.io/controller-runtime/tools/setup-envtest@latest,
                                           then setup-envtest use 1.34 -p path: it prints their folder
  kube-controller-manager, kube-scheduler  https://dl.k8s.io/v1.34.4/bin/linux/amd64/NAME
  kwok                                     kwok-linux-amd64 of https://github.com/kubernetes-sigs/kwok/releases`;
}
