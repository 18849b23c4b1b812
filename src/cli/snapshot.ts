import { setTimeout } from 'node:timers/promises';
import type { Command } from 'commander';
import { awaitSnapshot, type SnapshotState } from './await-snapshot.ts';
import { askServer, callServer, type ServerOptions, serverOptions } from './client.ts';

const PATH = '/api/v1/admin/tsdb/snapshot';
/** Between two lines where standard error is no terminal. */
const TOLD_EVERY_MS = 30_000;

/** `foresail snapshot`: asks the server for a copy of its whole store, which it takes while it runs. */
export function snapshotCommand(program: Command, { signal }: { readonly signal: AbortSignal }): void {
  const command = program
    .command('snapshot')
    .description('Have the running server take a snapshot of its whole store, in snapshots/ of its data folder')
    .option('--json', 'print the answer as JSON', false)
    .addHelpText(
      'after',
      '\nExample:\n  $ foresail snapshot\n  $ foresail restore data/snapshots/NAME --data restored',
    );
  serverOptions(command).action(async ({ json, ...server }: ServerOptions & { readonly json: boolean }) => {
    const progress = tellProgress();
    const name = await awaitSnapshot({
      async take() {
        const answer = await askServer(server, PATH, { method: 'POST', signal });
        return (answer as { readonly data: { readonly name: string } }).data.name;
      },
      async state() {
        const { status, body } = await callServer(server, PATH, { signal });
        // What it may not ask it may not take either, and is told so then.
        return status === 200 ? (body as { readonly data: SnapshotState }).data : undefined;
      },
      sleep: (ms) => setTimeout(ms, undefined, { signal }),
      onProgress: progress.tell,
    }).finally(progress.end);
    console.log(json ? JSON.stringify({ name }) : `snapshot ${name} is in snapshots/ of the server's data folder`);
  });
}

/** On standard error: a line that is written over where that is a terminal, otherwise one now and then. */
function tellProgress() {
  const onTerminal = process.stderr.isTTY === true;
  let toldAt = performance.now();
  return {
    tell({ name, bytes, summedBytes }: NonNullable<SnapshotState['running']>) {
      const words = `snapshot ${name}: ${megabytes(bytes)} MB, ${megabytes(summedBytes)} MB of them checked`;
      if (onTerminal) process.stderr.write(`\r${words}\u001b[K`);
      else if (performance.now() - toldAt >= TOLD_EVERY_MS) {
        toldAt = performance.now();
        console.error(words);
      }
    },
    end() {
      if (onTerminal) process.stderr.write('\r\u001b[K');
    },
  };
}

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
