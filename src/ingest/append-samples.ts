import { encodeLabels, type Label, type Labels, labelsKey } from '../model/labels.ts';
import type { Millis } from '../model/time.ts';
import { OUTCOME, type SeriesWriter } from '../storage/write.ts';
import { checkLabels, describeSeries, type LabelLimits } from './check-labels.ts';
import { deferralOf, refusalOf } from './outcome-reasons.ts';

/** A sample as it was sent. */
export interface SentSample {
  /** Unsorted, values possibly empty. */
  readonly labels: readonly Label[];
  readonly time: Millis;
  readonly value: number;
  /** Where it stands in what was sent, from 1. */
  readonly line: number;
}

/** What became of a sample that was not stored. */
export type Loss =
  | { readonly kind: 'refused'; readonly line: number; readonly reason: string; readonly message: string }
  /** The store is full: it will be welcome later. */
  | { readonly kind: 'deferred'; readonly line: number; readonly reason: string }
  /** Its tenant is over its rate. */
  | { readonly kind: 'limited'; readonly line: number; readonly reason: string };

/**
 * Appends samples and keeps what can be kept; durable once the writer's `commit` resolves.
 * @returns The losses, in the order of the samples.
 */
export async function appendSamples(
  samples: readonly SentSample[],
  writer: Pick<SeriesWriter, 'ref' | 'write'>,
  limits: LabelLimits,
): Promise<readonly Loss[]> {
  const losses: Loss[] = [];
  let left: Checked[] = [];
  for (const sample of samples) {
    const checked = checkLabels(sample.labels, limits);
    if (checked.kind === 'labels') left.push({ sample, labels: checked.labels, key: labelsKey(checked.labels) });
    else losses.push({ ...checked, line: sample.line });
  }
  for (let attempt = 1; left.length > 0; attempt++) {
    const { known, refused } = await resolve(left, writer);
    losses.push(...refused);
    const outcomes = known.length === 0 ? new Uint8Array() : await writer.write(batchOf(known));
    left = [];
    known.forEach((each, i) => {
      const outcome = outcomes[i]!;
      if (outcome === OUTCOME.appended || outcome === OUTCOME.duplicate) return;
      // Retention dropped the series in between: its labels are resolved anew, once.
      if (outcome === OUTCOME.gone && attempt === 1) left.push(each);
      else losses.push(lossOf(each, outcome));
    });
  }
  return losses.sort((a, b) => a.line - b.line);
}

interface Checked {
  readonly sample: SentSample;
  readonly labels: Labels;
  readonly key: string;
}

async function resolve(samples: readonly Checked[], writer: Pick<SeriesWriter, 'ref'>) {
  const series = new Map(samples.map(({ key, labels }) => [key, labels]));
  const answers = await writer.ref([...series.values()].map((labels) => encodeLabels(labels)));
  const answerOf = new Map([...series.keys()].map((key, i) => [key, answers[i]!]));
  const known: (Checked & { readonly ref: number })[] = [];
  const refused: Loss[] = [];
  for (const each of samples) {
    const answer = answerOf.get(each.key)!;
    if (answer.kind === 'ref') {
      known.push({ ...each, ref: answer.ref });
      continue;
    }
    const message = `${describeSeries(each.labels)}: ${answer.message}`;
    refused.push({ kind: 'refused', line: each.sample.line, reason: answer.id, message });
  }
  return { known, refused };
}

function batchOf(samples: readonly (Checked & { readonly ref: number })[]) {
  return {
    refs: Uint32Array.from(samples, ({ ref }) => ref),
    times: Float64Array.from(samples, ({ sample }) => sample.time),
    values: Float64Array.from(samples, ({ sample }) => sample.value),
  };
}

function lossOf({ sample, labels }: Checked, outcome: number): Loss {
  const { line, time } = sample;
  const refusal = refusalOf(outcome);
  if (refusal === undefined) return { kind: 'deferred', line, reason: deferralOf(outcome) };
  const { reason, why } = refusal;
  return { kind: 'refused', line, reason, message: `${describeSeries(labels)}, sample at ${time} ms: ${why}` };
}
