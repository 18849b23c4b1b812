import { OUTCOME, type SeriesWriter, type WriteBatch } from '../storage/write.ts';
import { WireError } from '../wire/errors.ts';
import type { LearntLabels, TenantLabels } from '../wire/label-tables.ts';
import type { AttachedPlace, UnseenSeries, WireMetadata } from '../wire/part-lists.ts';
import type { WriteBody, WritePart } from '../wire/write-body.ts';
import { AppendSummary } from './append-summary.ts';
import { attachPart, readAttachments } from './attach-part.ts';
import { describeSeries, type LabelLimits } from './check-labels.ts';
import { deferralOf, refusalOf } from './outcome-reasons.ts';
import { checkUnseen, describeSample, labelsOfUnseen } from './unseen-labels.ts';

export type RequestWriter = Pick<SeriesWriter, 'ref' | 'write' | 'attach' | 'describe' | 'commit'>;

/** What a request's tenant may do, and how it gives way to others between its parts. */
export interface AppendRules {
  readonly limits: { readonly max_metadata_length: number };
  turn(): Promise<void>;
}

/** Where samples are to go, and by what rules. */
export interface AppendTo {
  readonly writer: RequestWriter;
  readonly labels: TenantLabels;
  readonly limits: LabelLimits;
  readonly rules: AppendRules;
}

interface Destination extends AppendTo {
  readonly body: WriteBody;
  readonly summary: AppendSummary;
}

/**
 * Appends a remote write request, keeping what can be kept. Resolves once that is durable.
 * @throws {WireError} If the bytes are not such a request; nothing of it is then stored.
 * @throws {StorageFullError} If the log cannot be written.
 */
export async function appendRequest(body: WriteBody, where: AppendTo): Promise<AppendSummary> {
  const { writer, labels, limits, rules } = where;
  const summary = new AppendSummary();
  const to: Destination = { ...where, body, summary };
  try {
    // A damaged request is refused before any of it is stored.
    while (body.isLong && !body.check()) await rules.turn();
    if (body.isLong) await rules.turn();
    for (let next = 0; next < body.length; ) {
      const offset = next;
      if (offset > 0) await rules.turn();
      const part = body.read(labels, limits, offset);
      next = part.next;
      const { unseen, metadata, exemplars, histograms } = part;
      if (unseen.length + metadata.length + exemplars.length + histograms.length > 0) {
        next = await appendPart(copyOf(part), offset, to);
        continue;
      }
      // Usual requests are written in the turn in which they were decoded: nothing is copied.
      const { empties } = part;
      const outcomes = part.refs.length > 0 ? await writeInTurns(part, to) : NONE;
      if (outcomes.includes(OUTCOME.gone)) {
        next = await retryGone(goneOf(outcomes, refsAgain(offset, to)), offset, to);
        continue;
      }
      summary.items += outcomes.length + empties;
      if (isAllZero(outcomes)) summary.stored.samples += outcomes.length;
      else tally(outcomes, undefined, offset, to);
    }
    await writer.commit();
  } catch (error) {
    // Metadata that was handed out may not have been kept: the tenant's next requests shall bring it again. Of a damaged
    // request none was handed out.
    if (!(error instanceof WireError)) labels.forgetMetadata();
    throw error;
  }
  return summary;
}

const NONE = new Uint8Array();
/** Twice a usual part: only a series with very many samples makes a longer one. */
const SAMPLES_IN_A_TURN = 32_768;

async function writeInTurns(batch: WriteBatch, { writer, rules }: AppendTo): Promise<Uint8Array> {
  const { length } = batch.refs;
  if (length <= SAMPLES_IN_A_TURN) return await writer.write(batch);
  const { refs, times, values, starts } = columnsOf(batch);
  const outcomes = new Uint8Array(length);
  for (let from = 0; from < length; from += SAMPLES_IN_A_TURN) {
    if (from > 0) await rules.turn();
    const to = from + SAMPLES_IN_A_TURN;
    const columns = {
      refs: refs.subarray(from, to),
      times: times.subarray(from, to),
      values: values.subarray(from, to),
    };
    const slice = { ...columns, ...(starts !== undefined && { starts: starts.subarray(from, to) }) };
    outcomes.set(await writer.write(slice), from);
  }
  return outcomes;
}

/** @returns Where the rest starts: before the end of the part where series are resolved again, which takes room in it. */
async function appendPart(part: WritePart, offset: number, to: Destination, attempt = 1): Promise<number> {
  const { body, writer, summary } = to;
  const { metadata, exemplars, histograms } = part;
  const attachments = readAttachments(body, part);
  const isCarrier = exemplars.length + histograms.length > 0;
  const { refused, refs } = await resolveUnseen(part, to);
  const kept = refused.length > 0 ? keptSamples(part.refs) : undefined;
  const batch = kept === undefined ? part : pick(part, kept);
  const outcomes = batch.refs.length > 0 ? await writeInTurns(batch, to) : NONE;
  // It is handed out once, so that another attempt would not have it.
  const described = metadata.filter((entry) => isKept(entry, to.rules));
  if (described.length > 0) await writer.describe(described);
  const gone = goneOf(outcomes, batch.refs);
  // What this attempt stored is a duplicate for the next.
  if (attempt === 1 && gone.length > 0) return await retryGone(gone, offset, to);
  if (isCarrier) {
    const refOf = ({ ref, unseen }: AttachedPlace) => ref || (refs[unseen] ?? 0);
    const context = { writer, refOf, summary, isStrict: body.protocol === '2.0' };
    const homeless = await attachPart(attachments, context, attempt > 1);
    if (homeless.length > 0) return await retryGone(homeless, offset, to);
  }
  summary.items += part.refs.length + metadata.length + exemplars.length + histograms.length + part.empties;
  for (const { reason, unseen, message } of refused) {
    summary.refuse('samples', reason, unseen.endSample - unseen.firstSample, () => message);
  }
  tally(outcomes, kept, offset, to);
  summary.drop('metadata', metadata.length - described.length);
  return part.next;
}

/** Retention dropped series after their labels were learnt: they are resolved again. */
async function retryGone(gone: readonly number[], offset: number, to: Destination): Promise<number> {
  const part = to.body.read(to.labels, to.limits, offset, Uint32Array.from(new Set(gone)).sort());
  return await appendPart(copyOf(part), offset, to, 2);
}

function goneOf(outcomes: Uint8Array, refs: Uint32Array): readonly number[] {
  return outcomes.includes(OUTCOME.gone) ? [...refs].filter((_, i) => outcomes[i] === OUTCOME.gone) : [];
}

/** The references of a part that was overwritten. What another request learnt meanwhile is resolved once more. */
function refsAgain(offset: number, { body, labels, limits }: Destination): Uint32Array {
  return body.read(labels, limits, offset).refs;
}

/** Counts outcomes. `kept` has the places of the samples in the part, where not all of them were written. */
function tally(outcomes: Uint8Array, kept: Uint32Array | undefined, offset: number, to: Destination): void {
  const { summary, body, limits } = to;
  for (let i = 0; i < outcomes.length; i++) {
    const outcome = outcomes[i]!;
    if (outcome === OUTCOME.appended || outcome === OUTCOME.duplicate) {
      summary.stored.samples++;
      continue;
    }
    const refusal = refusalOf(outcome);
    if (refusal === undefined) {
      summary.defer(deferralOf(outcome), 1);
      continue;
    }
    summary.refuse('samples', refusal.reason, 1, () => {
      return `${describeSample(body, limits, offset, kept?.[i] ?? i)}: ${refusal.why}`;
    });
  }
}

interface RefusedSeries {
  readonly reason: string;
  readonly message: string;
  readonly unseen: UnseenSeries;
}

interface Resolved {
  readonly refused: readonly RefusedSeries[];
  /** By the index of the unseen series; 0 or nothing where it was refused. */
  readonly refs: readonly number[];
}

/** Gives the samples of unseen series their references; those of refused series keep 0. */
async function resolveUnseen(part: WritePart, to: Destination): Promise<Resolved> {
  if (part.unseen.length === 0) return { refused: [], refs: [] };
  const { body, labels, limits, writer } = to;
  const refused: RefusedSeries[] = [];
  const accepted: { readonly index: number; readonly unseen: UnseenSeries; readonly bytes: Uint8Array }[] = [];
  const refs: number[] = [];
  const carriers = new Set<number>();
  for (const { ref, unseen } of [...part.exemplars, ...part.histograms]) if (ref === 0) carriers.add(unseen);
  part.unseen.forEach((unseen, index) => {
    const isCarrier = carriers.has(index);
    if (body.protocol === '1.0' && unseen.empty) return;
    const checked = checkUnseen(unseen, limits, isCarrier);
    if (checked.kind === 'refused') refused.push({ ...checked, unseen });
    else if (!unseen.empty || isCarrier) accepted.push({ index, unseen, bytes: checked.bytes });
  });
  const answers = await writer.ref(accepted.map(({ bytes }) => bytes));
  const learnt: LearntLabels[] = [];
  answers.forEach((answer, i) => {
    const { index, unseen } = accepted[i]!;
    if (answer.kind === 'ref') {
      const { ref } = answer;
      const { key, note } = unseen;
      refs[index] = ref;
      // Most have one sample.
      for (let at = unseen.firstSample; at < unseen.endSample; at++) part.refs[at] = ref;
      if (key !== undefined) learnt.push({ start: key.start, length: key.length, ref, note });
      return;
    }
    const message = `${describeSeries(labelsOfUnseen(unseen))}: ${answer.message}`;
    refused.push({ reason: answer.id, message, unseen });
  });
  if (learnt.length > 0) {
    if (body.protocol === '1.0') labels.learnBytes(body.address, learnt);
    else labels.learnSymbols(part.text, learnt);
  }
  return { refused, refs };
}

function isKept({ metric, help, unit }: WireMetadata, { limits }: AppendRules): boolean {
  return metric !== '' && metric.length + help.length + unit.length <= limits.max_metadata_length;
}

/** For what outlives the turn in which it was decoded. Copies bits. */
function copyOf(part: WritePart): WritePart {
  return { ...part, ...columnsOf(part) };
}

function columnsOf({ refs, times, values, starts }: WriteBatch): WriteBatch {
  const columns = { refs: refs.slice(), times: times.slice(), values: values.slice() };
  return { ...columns, ...(starts !== undefined && { starts: starts.slice() }) };
}

function keptSamples(refs: Uint32Array): Uint32Array {
  const kept = new Uint32Array(refs.length);
  let count = 0;
  for (let i = 0; i < refs.length; i++) if (refs[i] !== 0) kept[count++] = i;
  return kept.subarray(0, count);
}

function pick({ refs, times, values, starts }: WriteBatch, kept: Uint32Array): WriteBatch {
  // As words: a staleness marker must not pass through a number.
  const from = new Uint32Array(values.buffer, values.byteOffset, values.length * 2);
  const words = new Uint32Array(kept.length * 2);
  kept.forEach((at, i) => {
    words[2 * i] = from[2 * at]!;
    words[2 * i + 1] = from[2 * at + 1]!;
  });
  return {
    refs: Uint32Array.from(kept, (at) => refs[at]!),
    times: Float64Array.from(kept, (at) => times[at]!),
    values: new Float64Array(words.buffer),
    ...(starts !== undefined && { starts: Float64Array.from(kept, (at) => starts[at]!) }),
  };
}

let zeros = Buffer.alloc(4_096);

/** `OUTCOME.appended` is 0, and usual requests have nothing else. */
function isAllZero(outcomes: Uint8Array): boolean {
  if (outcomes.length > zeros.length) zeros = Buffer.alloc(outcomes.length * 2);
  return zeros.compare(outcomes, 0, outcomes.length, 0, outcomes.length) === 0;
}
