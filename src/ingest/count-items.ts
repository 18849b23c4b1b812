import { WireError } from '../wire/errors.ts';
import { ProtoReader } from '../wire/protobuf.ts';

/** Fields of a series that hold one item each, in either version of the protocol. */
const ITEMS: Readonly<
  Record<'1.0' | '2.0', { readonly series: number; readonly metadata: number; readonly items: readonly number[] }>
> = {
  // prometheus.WriteRequest: timeseries = 1, metadata = 3; TimeSeries: samples = 2, exemplars = 3, histograms = 4.
  '1.0': { series: 0x0a, metadata: 0x1a, items: [0x12, 0x1a, 0x22] },
  // io.prometheus.write.v2.Request: timeseries = 5; TimeSeries: samples = 2, histograms = 3, exemplars = 4. Its metadata is part of each series.
  '2.0': { series: 0x2a, metadata: -1, items: [0x12, 0x1a, 0x22] },
};

/**
 * Counts the samples, histograms, exemplars and metadata of a remote write request, which is what Mimir's rate limits
 * count, without decoding any. Of damaged bytes it counts what comes before the damage.
 */
export function countItems(bytes: Uint8Array, protocol: '1.0' | '2.0' = '1.0'): number {
  const { series, metadata, items } = ITEMS[protocol];
  const reader = new ProtoReader(bytes);
  const whole = reader.end;
  let count = 0;
  try {
    while (reader.at < whole) {
      const tag = reader.tag();
      if (tag === metadata) count++;
      if (tag !== series) {
        reader.skip(tag);
        continue;
      }
      reader.end = reader.lengthEnd();
      const before = count;
      while (reader.at < reader.end) {
        const field = reader.tag();
        if (items.includes(field)) count++;
        reader.skip(field);
      }
      // A series that carries nothing takes as long as a sample.
      if (count === before) count++;
      reader.end = whole;
    }
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    // Whoever decodes the request says what is wrong with it.
  }
  return count;
}
