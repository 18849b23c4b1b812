import { encodeLabels } from '../model/labels.ts';
import type { SampledSeries } from '../model/series.ts';
import { OUTCOME, type RefAnswer, type RetentionClass, type SeriesWriter } from './write.ts';

/** What became of appended samples. */
export interface AppendOutcome {
  /** Stored now, or stored already with the same value. */
  readonly stored: number;
  /** By the name of their `OUTCOME`, and `refused` for those of series that the store does not take. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Why the first refused series was refused. */
  readonly refusal: string | undefined;
}

const NAMES = Object.entries(OUTCOME).map(([name, outcome]) => [outcome as number, name] as const);

/** Appends series that this program derives, such as demand. Durable and visible when it resolves. */
export async function appendSeries(
  writer: Pick<SeriesWriter, 'ref' | 'write' | 'commit'>,
  series: readonly SampledSeries[],
  retention: RetentionClass = 'raw',
): Promise<AppendOutcome> {
  const labelSets = series.map(({ labels }) => encodeLabels(labels));
  let answers = await writer.ref(labelSets, retention);
  let outcomes = await writer.write(batchOf(series, answers));
  if (outcomes.includes(OUTCOME.gone)) {
    // A retention pass came between. What was stored is a duplicate now.
    answers = await writer.ref(labelSets, retention);
    outcomes = await writer.write(batchOf(series, answers));
  }
  await writer.commit();

  const dropped: Record<string, number> = {};
  for (const [outcome, name] of NAMES) {
    const count = outcomes.reduce((sum, each) => (each === outcome ? sum + 1 : sum), 0);
    if (count > 0 && outcome !== OUTCOME.appended && outcome !== OUTCOME.duplicate) dropped[name] = count;
  }
  let refusal: string | undefined;
  series.forEach(({ times }, i) => {
    const answer = answers[i]!;
    if (answer.kind === 'ref') return;
    dropped['refused'] = (dropped['refused'] ?? 0) + times.length;
    refusal ??= answer.message;
  });
  const lost = Object.values(dropped).reduce((sum, count) => sum + count, 0);
  return { stored: series.reduce((sum, { times }) => sum + times.length, 0) - lost, dropped, refusal };
}

function batchOf(series: readonly SampledSeries[], answers: readonly RefAnswer[]) {
  const kept = series.flatMap((each, i) => {
    const answer = answers[i]!;
    return answer.kind === 'ref' ? [{ ...each, ref: answer.ref }] : [];
  });
  const length = kept.reduce((sum, { times }) => sum + times.length, 0);
  const batch = { refs: new Uint32Array(length), times: new Float64Array(length), values: new Float64Array(length) };
  let at = 0;
  for (const { ref, times, values } of kept) {
    batch.refs.fill(ref, at, at + times.length);
    batch.times.set(times, at);
    batch.values.set(values, at);
    at += times.length;
  }
  return batch;
}
