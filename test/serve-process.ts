import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const ADDRESS = /http:\/\/127\.0\.0\.1:\d+/;

/** The program itself, serving from a data folder on a port of its own. */
export interface ServeProcess extends AsyncDisposable {
  readonly process: ChildProcess;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** What it has written so far but for the line of its address, at least the first 4 kB. */
  readonly output: () => string;
  /** Ends it at once, as `kill -9` does. */
  kill(): Promise<void>;
}

/**
 * @param tracer A command that runs the program, such as strace.
 * @param main The program, where it is not the one that was built here.
 * @param flags More flags of `foresail serve`.
 */
export async function startServe(
  dataFolder: string,
  tracer: readonly string[] = [],
  main: string = MAIN,
  flags: readonly string[] = [],
): Promise<ServeProcess> {
  const child = spawnServe(dataFolder, tracer, main, flags);
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  let output = '';
  const url = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout!, child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => {
        const found = ADDRESS.exec(line);
        if (found !== null) resolve(found[0]);
        else if (output.length < 4_096) output += `${line}\n`;
      });
    }
    void exited.then(() => reject(new Error(`the program ended before it listened: ${output}`)));
  });
  const kill = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  return { process: child, url, output: () => output, kill, [Symbol.asyncDispose]: kill };
}

/**
 * Starts it and ends it as `kill -9` does, ready or not.
 * @throws {Error} If it ended by itself before.
 */
export async function killWhileStarting(dataFolder: string, afterMs: number): Promise<void> {
  const child = spawnServe(dataFolder, [], MAIN);
  let output = '';
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => (output += chunk));
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const timer = setTimeout(() => child.kill('SIGKILL'), afterMs);
  await exited;
  clearTimeout(timer);
  if (child.signalCode !== 'SIGKILL') throw new Error(`the program ended by itself: ${output.slice(0, 4_096)}`);
}

function spawnServe(
  dataFolder: string,
  tracer: readonly string[],
  main: string,
  flags: readonly string[] = [],
): ChildProcess {
  const serve = [process.execPath, main, 'serve', '--data', dataFolder, '--listen', '127.0.0.1:0', ...flags];
  const [command, ...rest] = [...tracer, ...serve];
  return spawn(command!, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
}
