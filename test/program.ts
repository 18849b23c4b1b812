import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The real program, built, on a free port and with a folder of its own. */
export interface RunningProgram extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  readonly folder: string;
  /** All that it wrote so far. */
  output(): string;
  alive(): boolean;
  /** Resident memory: now, and the most that it ever was. */
  memory(): { readonly now: number; readonly most: number };
}

const MAIN = join(import.meta.dirname, '..', 'dist', 'main.js');
const START_MS = 240_000;

/**
 * Starts `foresail serve` without a cluster, and waits for the line that has its address.
 * @param node Flags of Node itself.
 * @param more Variables of its environment.
 */
export async function startProgram(
  flags: readonly string[] = [],
  node: readonly string[] = [],
  more: Readonly<Record<string, string>> = {},
): Promise<RunningProgram> {
  const folder = mkdtempSync(join(tmpdir(), 'foresail-program-'));
  const words = ['serve', '--data', join(folder, 'data'), '--listen', '127.0.0.1:0', ...flags];
  const env = { PATH: process.env['PATH'], HOME: folder, ...more };
  const child = spawn(process.execPath, [...node, MAIN, ...words], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let written = '';
  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no address within ${START_MS} ms:\n${written}`)), START_MS);
    const read = (chunk: Buffer) => {
      written += chunk.toString('utf8');
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(written);
      if (found === null) return;
      clearTimeout(timer);
      resolve(found[0]);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', (code) => reject(new Error(`the program ended with ${code}:\n${written}`)));
  }).catch(async (error: unknown) => {
    await end(child, folder);
    throw error;
  });
  return {
    url,
    pid: child.pid!,
    folder,
    output: () => written,
    alive: () => child.exitCode === null && child.signalCode === null,
    memory: () => memoryOf(child.pid!),
    [Symbol.asyncDispose]: () => end(child, folder),
  };
}

/**
 * Flags of Node by which the program's clock begins at a time of its own, and goes on from there.
 * @param folder Where the difference to the machine's clock is written.
 */
export function startingAt(time: number, folder: string): readonly string[] {
  const file = join(folder, 'clock');
  writeFileSync(file, String(time - Date.now()));
  const clock = pathToFileURL(join(import.meta.dirname, 'real', 'shifted-clock.mjs'));
  return ['--import', `${clock}?${new URLSearchParams({ file })}`];
}

async function end(child: ChildProcess, folder: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
    await exited;
    clearTimeout(timer);
  }
  rmSync(folder, { recursive: true, force: true });
}

function memoryOf(pid: number) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024;
  return { now: bytes('VmRSS'), most: bytes('VmHWM') };
}
