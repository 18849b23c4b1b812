import type { Command } from 'commander';
import { type ProgressWish, progressOf } from './progress.ts';
import { UsageError } from './usage-error.ts';

interface RestoreFlags {
  readonly data?: string;
  readonly check: boolean;
  readonly json: boolean;
  readonly progress?: ProgressWish;
}

/** `foresail restore`: a data folder from a snapshot, for a server that is not running yet. */
export function restoreCommand(program: Command): void {
  program
    .command('restore <snapshot>')
    .description('Make a data folder from the folder of a snapshot, and check every file of it')
    .option('--data <folder>', 'the data folder to make: new, or empty')
    .option('--check', 'check the snapshot alone, and write nothing', false)
    .option('--json', 'print what was found as JSON', false)
    .option('--progress', 'say how far it is, though standard error is no terminal')
    .option('--no-progress', 'never say how far it is')
    .addHelpText(
      'after',
      '\nExample:\n  $ foresail restore data/snapshots/NAME --data restored && foresail serve --data restored',
    )
    .action(async (snapshot: string, { data, check, json, progress }: RestoreFlags) => {
      if ((data === undefined) !== check) throw new UsageError('expected either --data FOLDER or --check');
      const { checkSnapshot, restoreSnapshot } = await import('../tsdb/restore-snapshot.ts');
      let tell: ReturnType<typeof progressOf> | undefined;
      const onBytes = (done: number, total: number) => {
        tell ??= progressOf('restoring bytes', total, progress);
        tell(done);
      };
      const options = { snapshot, onBytes };
      const manifest = data === undefined ? await checkSnapshot(options) : await restoreSnapshot(data, options);
      const { release, takenAt, files } = manifest;
      const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
      const found = { release, takenAt: new Date(takenAt).toISOString(), files: files.length, bytes };
      if (json) console.log(JSON.stringify(found));
      else {
        const what = `${found.files} files, ${bytes} bytes, taken at ${found.takenAt} by foresail ${release}`;
        console.log(data === undefined ? `the snapshot is whole: ${what}` : `restored to ${data}: ${what}`);
      }
    });
}
