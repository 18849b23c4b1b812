import { encodeLabels, type Label } from '../model/labels.ts';
import { OUTCOME, type SeriesWriter, type WriteBatch } from '../storage/write.ts';
import { type DecodedWrite, decodeWriteRequest, type LabelTable } from '../wire/remote-write.ts';
import { checkLabels, describeSeries, type LabelLimits } from './check-labels.ts';

/** Label bytes as senders write them, to references. The store owns the memory. */
export interface SeenLabels extends LabelTable {
  learn(bytes: Uint8Array, ref: number): void;
  /** Forgets all of them: one was out of date. */
  clear(): void;
}

/** What became of a request. */
export interface AppendSummary {
  /** Samples that are stored: now, or by an earlier attempt. */
  readonly stored: number;
  /** What was not stored, by reason: samples, and with reasons of their own metadata, exemplars and histograms. */
  readonly dropped: ReadonlyMap<string, number>;
  /** Samples among them that the sender must correct; sending them again cannot help. */
  readonly refused: number;
  /** Samples among them that will be welcome later: the store is full. */
  readonly deferred: number;
  /** The first few refusals, in words. */
  readonly messages: readonly string[];
}

type Writer = Pick<SeriesWriter, 'ref' | 'write' | 'describe' | 'commit'>;

/** How a sample was refused: a constant for counters, and words for the sender. */
const REFUSALS: Readonly<Record<number, readonly [reason: string, why: string]>> = {
  [OUTCOME.outOfOrder]: ['out_of_order', 'older than the out-of-order window (err-mimir-sample-out-of-order)'],
  [OUTCOME.conflict]: ['conflict', 'another value is stored at this time (err-mimir-sample-duplicate-timestamp)'],
  [OUTCOME.tooFarInFuture]: ['too_far_in_future', 'too far in the future (err-mimir-too-far-in-future)'],
  [OUTCOME.tooOld]: ['too_old', 'before the retention (err-mimir-sample-timestamp-too-old)'],
};
const DEFERRALS: Readonly<Record<number, string>> = {
  [OUTCOME.full]: 'storage_full',
  [OUTCOME.gone]: 'series_gone',
};
const MAX_MESSAGES = 3;
/** Mimir's `max_metadata_length`. */
const MAX_METADATA_LENGTH = 1_024;

/**
 * Decodes a remote write 1.0 request and appends it, keeping what can be kept. Resolves once that is durable.
 * @throws {WireError} If the bytes are not such a request; nothing of it is then stored.
 * @throws {StorageFullError} If the log cannot be written.
 */
export async function appendRequest(
  bytes: Uint8Array,
  writer: Writer,
  seen: SeenLabels,
  limits: LabelLimits,
): Promise<AppendSummary> {
  const summary = { stored: 0, refused: 0, deferred: 0, dropped: new Map<string, number>(), messages: [] as string[] };
  const drop = (reason: string, count: number, message?: () => string) => {
    if (count === 0) return;
    summary.dropped.set(reason, (summary.dropped.get(reason) ?? 0) + count);
    if (message !== undefined && summary.messages.length < MAX_MESSAGES) summary.messages.push(message());
  };
  let next = 0;
  while (next < bytes.length) {
    const offset = next;
    const { part, refused, batch, outcomes } = await appendPart(bytes, offset, writer, seen, limits);
    for (const { reason, samples, message } of refused) {
      summary.refused += samples;
      drop(reason, samples, () => message);
    }
    for (let i = 0; i < outcomes.length; i++) {
      const outcome = outcomes[i]!;
      if (outcome === OUTCOME.appended || outcome === OUTCOME.duplicate) {
        summary.stored++;
        continue;
      }
      const refusal = REFUSALS[outcome];
      const deferral = DEFERRALS[outcome];
      if (refusal !== undefined) {
        summary.refused++;
        drop(refusal[0], 1, () => {
          const name = nameOf(bytes, offset, seen, part, batch.refs[i]!);
          return `${name}, sample at ${batch.times[i]} ms: ${refusal[1]}`;
        });
      } else if (deferral !== undefined) {
        summary.deferred++;
        drop(deferral, 1);
      }
    }
    drop('exemplar', part.skipped.exemplars);
    drop('native_histogram', part.skipped.histograms);
    const metadata = part.metadata.filter(({ metric, help, unit }) => {
      return metric !== '' && metric.length + help.length + unit.length <= MAX_METADATA_LENGTH;
    });
    drop('metadata', part.metadata.length - metadata.length);
    if (metadata.length > 0) await writer.describe(metadata);
    next = part.next;
  }
  await writer.commit();
  return summary;
}

interface RefusedSeries {
  readonly reason: string;
  readonly samples: number;
  readonly message: string;
}

interface AppendedPart {
  readonly part: DecodedWrite;
  readonly refused: readonly RefusedSeries[];
  readonly batch: WriteBatch;
  readonly outcomes: Uint8Array;
}

async function appendPart(
  bytes: Uint8Array,
  offset: number,
  writer: Writer,
  seen: SeenLabels,
  limits: LabelLimits,
): Promise<AppendedPart> {
  for (let attempt = 1; ; attempt++) {
    const part = decodeWriteRequest(bytes, seen, offset);
    const refused = part.unseen.length > 0 ? await resolveUnseen(part, writer, seen, limits) : [];
    const batch = refused.length > 0 ? withoutRefused(part) : part;
    const outcomes = batch.refs.length > 0 ? await writer.write(batch) : new Uint8Array();
    // Retention dropped a series after its bytes were learnt. What this attempt stored is a duplicate for the next.
    if (attempt > 1 || !outcomes.includes(OUTCOME.gone)) return { part, refused, batch, outcomes };
    seen.clear();
  }
}

/** Gives the samples of unseen series their references; those of refused series keep 0. */
async function resolveUnseen(
  part: DecodedWrite,
  writer: Writer,
  seen: SeenLabels,
  limits: LabelLimits,
): Promise<readonly RefusedSeries[]> {
  const refused: RefusedSeries[] = [];
  const accepted: { readonly index: number; readonly bytes: Uint8Array }[] = [];
  part.unseen.forEach(({ labels, invalidUtf8, firstSample, endSample }, index) => {
    const samples = endSample - firstSample;
    const checked = invalidUtf8 ? notUtf8(labels) : checkLabels(labels, limits);
    if (checked.kind === 'labels') accepted.push({ index, bytes: encodeLabels(checked.labels) });
    else refused.push({ reason: checked.reason, samples, message: checked.message });
  });
  const answers = await writer.ref(accepted.map(({ bytes }) => bytes));
  answers.forEach((answer, i) => {
    const { labels, raw, firstSample, endSample } = part.unseen[accepted[i]!.index]!;
    if (answer.kind === 'ref') {
      part.refs.fill(answer.ref, firstSample, endSample);
      if (raw !== undefined) seen.learn(raw, answer.ref);
      return;
    }
    const message = `${describeSeries(labels)}: ${answer.message}`;
    refused.push({ reason: answer.id, samples: endSample - firstSample, message });
  });
  return refused;
}

function notUtf8(labels: readonly Label[]) {
  const message = `${describeSeries(labels)}: a label is not valid UTF-8`;
  return { kind: 'refused', reason: 'invalid_utf8', message } as const;
}

function withoutRefused({ refs, times, values }: WriteBatch): WriteBatch {
  const kept = refs.reduce((count, ref) => (ref === 0 ? count : count + 1), 0);
  const batch = { refs: new Uint32Array(kept), times: new Float64Array(kept), values: new Float64Array(kept) };
  let to = 0;
  for (let from = 0; from < refs.length; ) {
    if (refs[from] === 0) {
      from++;
      continue;
    }
    let end = from;
    while (end < refs.length && refs[end] !== 0) end++;
    // Whole stretches are copied as memory: a staleness marker must not pass through a number.
    batch.refs.set(refs.subarray(from, end), to);
    batch.times.set(times.subarray(from, end), to);
    batch.values.set(values.subarray(from, end), to);
    to += end - from;
    from = end;
  }
  return batch;
}

/** Names a series for a message. Labels of known series were not decoded before: this one's are now. */
function nameOf(bytes: Uint8Array, offset: number, seen: SeenLabels, part: DecodedWrite, ref: number): string {
  const fresh = part.unseen.find(({ firstSample }) => part.refs[firstSample] === ref);
  if (fresh !== undefined) return describeSeries(fresh.labels);
  const onlyThis: LabelTable = { find: (all, start, end) => (seen.find(all, start, end) === ref ? 0 : 1) };
  const known = decodeWriteRequest(bytes, onlyThis, offset).unseen.find(({ raw }) => raw !== undefined);
  return known === undefined ? 'a series' : describeSeries(known.labels);
}
