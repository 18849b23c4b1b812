import { lowerBound } from '../model/series.ts';
import type { Millis, TimeRange } from '../model/time.ts';
import type { AttachmentReader, SeriesReader } from '../storage/storage.ts';

type Reader = SeriesReader & Pick<AttachmentReader, 'exemplars'> & Partial<AttachmentReader>;

/**
 * A reader that sees nothing older than some time: Mimir's `max_query_lookback`.
 * @param since Asked for each read.
 */
export function withinLookback<R extends Reader>(reader: R, since: () => Millis): R {
  const within = (range: TimeRange): TimeRange | undefined => {
    const start = Math.max(range.start, since());
    return start > range.end ? undefined : { start, end: range.end };
  };
  const cut = async <T>(range: TimeRange, read: (range: TimeRange) => Promise<readonly T[]>): Promise<readonly T[]> => {
    const seen = within(range);
    return seen === undefined ? [] : await read(seen);
  };
  const { histograms, starts, selectEach } = reader;
  return {
    ...reader,
    select: (matchers, range, options) =>
      cut(range, async (seen) => {
        const found = await reader.select(matchers, seen, options);
        // A chunk that reaches into the range may begin before it.
        return found.map((series) => ({
          ...series,
          chunks: series.chunks.map((chunk) => {
            const from = lowerBound(chunk.times, seen.start);
            return from === 0
              ? chunk
              : { ...chunk, times: chunk.times.subarray(from), values: chunk.values.subarray(from) };
          }),
        }));
      }),
    ...(selectEach && {
      async selectEach(matchers, range, take, options) {
        const seen = within(range);
        return seen === undefined || (await selectEach(matchers, seen, take, options));
      },
    }),
    series: (sets, range, options) => cut(range, (seen) => reader.series(sets, seen, options)),
    labelNames: (sets, range, options) => cut(range, (seen) => reader.labelNames(sets, seen, options)),
    labelValues: (name, sets, range, options) => cut(range, (seen) => reader.labelValues(name, sets, seen, options)),
    exemplars: (sets, range) => cut(range, (seen) => reader.exemplars(sets, seen)),
    ...(histograms && {
      histograms: (matchers, range, options) => cut(range, (seen) => histograms(matchers, seen, options)),
    }),
    ...(starts && { starts: (matchers, range) => cut(range, (seen) => starts(matchers, seen)) }),
  } satisfies Reader as R;
}
