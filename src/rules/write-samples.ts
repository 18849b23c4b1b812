import { encodeLabels } from '../model/labels.ts';
import { setStaleMarker } from '../model/series.ts';
import { OUTCOME, type RefAnswer, type SeriesWriter } from '../storage/write.ts';
import { encodeHistogramValue } from './encode-histogram.ts';
import type { WrittenSample } from './evaluate-group.ts';

/** As Prometheus says them. */
const REFUSALS: Readonly<Record<number, string>> = {
  [OUTCOME.outOfOrder]: 'out of order sample',
  [OUTCOME.conflict]: 'duplicate sample for timestamp',
  [OUTCOME.tooFarInFuture]: 'too far in the future',
  [OUTCOME.tooOld]: 'out of bounds',
  [OUTCOME.full]: 'the store is full',
  [OUTCOME.tooLong]: 'the histogram is too long',
  [OUTCOME.unsupported]: 'whoever keeps the samples takes no histograms',
  [OUTCOME.gone]: 'the series left the store meanwhile',
};

/**
 * Stores what a rule made. Durable and visible when it resolves.
 * @returns For each sample why it was not stored, or undefined.
 * @throws What the writer throws: then nothing is certain to be stored.
 */
export async function writeRuleSamples(
  writer: Pick<SeriesWriter, 'ref' | 'write' | 'attach' | 'commit'>,
  samples: readonly WrittenSample[],
): Promise<readonly (string | undefined)[]> {
  if (samples.length === 0) return [];
  let refusals = await writeOnce(writer, samples);
  // A retention pass came between. What was stored is a duplicate now.
  if (refusals.includes(REFUSALS[OUTCOME.gone])) refusals = await writeOnce(writer, samples);
  await writer.commit();
  return refusals;
}

async function writeOnce(
  writer: Pick<SeriesWriter, 'ref' | 'write' | 'attach'>,
  samples: readonly WrittenSample[],
): Promise<readonly (string | undefined)[]> {
  const answers = await writer.ref(samples.map(({ labels }) => encodeLabels(labels)));
  const refusals = answers.map((answer) => (answer.kind === 'refused' ? answer.message : undefined));
  const refOf = (i: number) => (answers[i] as Extract<RefAnswer, { kind: 'ref' }>).ref;
  const taken = samples.map((_, i) => i).filter((i) => answers[i]!.kind === 'ref');
  const floats = taken.filter((i) => typeof samples[i]!.value !== 'object');
  const batch = {
    refs: Uint32Array.from(floats, refOf),
    times: Float64Array.from(floats, (i) => samples[i]!.time),
    values: new Float64Array(floats.length),
  };
  for (const [k, i] of floats.entries()) {
    const { value } = samples[i]!;
    if (value === 'stale') setStaleMarker(batch.values, k);
    else batch.values[k] = value as number;
  }
  const outcomes = floats.length === 0 ? new Uint8Array(0) : await writer.write(batch);
  for (const [k, i] of floats.entries()) refusals[i] = REFUSALS[outcomes[k]!];
  const histograms = taken.flatMap((i) => {
    const { value, time } = samples[i]!;
    if (typeof value !== 'object') return [];
    return [{ i, histogram: { ref: refOf(i), time, start: 0, bytes: encodeHistogramValue(value) } }];
  });
  if (histograms.length > 0) {
    const kept = await writer.attach({ exemplars: [], histograms: histograms.map(({ histogram }) => histogram) });
    for (const [k, { i }] of histograms.entries()) refusals[i] = REFUSALS[kept.histograms[k]!];
  }
  return refusals;
}
