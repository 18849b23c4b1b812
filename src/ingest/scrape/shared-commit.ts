import type { Clock } from '../../model/clock.ts';
import type { Millis } from '../../model/time.ts';
import type { ScrapeWriter } from './target-series.ts';

/**
 * A writer whose commits wait for others' that come soon after: a sync of the log costs more than a scrape. Nobody is told
 * before that a scrape is stored, so nothing is promised too early.
 */
export function sharedCommit(writer: ScrapeWriter, clock: Pick<Clock, 'sleep'>, waitMs: Millis): ScrapeWriter {
  const never = new AbortController().signal;
  let next: Promise<void> | undefined;
  return {
    ref: (...of) => writer.ref(...of),
    write: (batch) => writer.write(batch),
    attach: (attachments) => writer.attach(attachments),
    describe: (metadata) => writer.describe(metadata),
    commit() {
      next ??= clock.sleep(waitMs, never).then(() => {
        next = undefined;
        return writer.commit();
      });
      return next;
    },
  };
}
