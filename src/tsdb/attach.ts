import type { TenantId } from '../model/tenant.ts';
import { type Attachments, type AttachOutcomes, OUTCOME } from '../storage/write.ts';
import type { ExemplarEntry, HistogramEntry } from './attachment-record.ts';
import { exemplarEntry, parts } from './attachments.ts';
import type { Head } from './head.ts';
import type { HeadSeries } from './head-series.ts';
import type { TsdbLimits } from './limits.ts';
import type { LogRecord } from './record.ts';

/** Far below what a record may hold, and far above any that is of use. */
const MAX_EXEMPLAR_LABEL_BYTES = 4_096;
const MAX_HISTOGRAM_BYTES = 1 << 20;
/** Records of attachments are cut at about this size. */
export const ATTACHMENT_RECORD_BYTES = 1 << 20;

export interface AttachContext {
  readonly head: Head;
  readonly limits: TsdbLimits;
  /** Bytes that the log may still take before it is synced. */
  readonly room: number;
  /** What the time alone says. */
  readonly judgeTime: (series: HeadSeries, time: number) => number;
  readonly log: (record: LogRecord) => void;
  /** Takes what readers may see once the log has synced it. */
  readonly stage: (entry: { visible: boolean }) => void;
}

/** Judges exemplars and histograms, keeps what is new and logs it. */
export function attach(id: TenantId, { exemplars, histograms }: Attachments, context: AttachContext): AttachOutcomes {
  const outcomes = { exemplars: new Uint8Array(exemplars.length), histograms: new Uint8Array(histograms.length) };
  const tenant = context.head.tenants.get(id);
  if (tenant === undefined) {
    outcomes.exemplars.fill(OUTCOME.gone);
    outcomes.histograms.fill(OUTCOME.gone);
    return outcomes;
  }
  const { head, limits, judgeTime, stage } = context;
  const { attachments, number } = tenant;
  let room = context.room;
  /** What is left after the entry's own judgement: its series, its length, its time and memory. */
  const judge = (entry: { readonly ref: number; readonly time: number }, length: number, most: number): number => {
    const series = tenant.series.get(entry.ref);
    if (series === undefined) return OUTCOME.gone;
    return length > most ? OUTCOME.tooLong : judgeTime(series, entry.time);
  };
  const hasRoom = (length: number): boolean => {
    room -= length + 32;
    return room >= 0 && head.attached.held < limits.maxAttachedBytes;
  };

  const addedExemplars: ExemplarEntry[] = [];
  exemplars.forEach((exemplar, i) => {
    const entry = exemplarEntry(exemplar);
    const { length } = entry.labelBytes;
    let outcome = judge(entry, length, MAX_EXEMPLAR_LABEL_BYTES);
    if (outcome === OUTCOME.appended) outcome = attachments.judgeExemplar(entry, limits.outOfOrderMs);
    // A full ring makes room by itself.
    if (outcome === OUTCOME.appended && !hasRoom(length)) outcome = OUTCOME.full;
    outcomes.exemplars[i] = outcome;
    if (outcome !== OUTCOME.appended) return;
    stage(attachments.addExemplar(entry, limits.maxExemplarsPerTenant));
    addedExemplars.push(entry);
  });

  const addedHistograms: HistogramEntry[] = [];
  histograms.forEach(({ ref, time, start, bytes }, i) => {
    let outcome = judge({ ref, time }, bytes.length, MAX_HISTOGRAM_BYTES);
    // The sender's buffer is used again: what is kept is a copy.
    const entry = { ref, time, start, bytes: bytes.slice() };
    if (outcome === OUTCOME.appended) outcome = attachments.judgeHistogram(entry, limits.outOfOrderMs);
    if (outcome === OUTCOME.appended && !hasRoom(bytes.length)) outcome = OUTCOME.full;
    outcomes.histograms[i] = outcome;
    if (outcome !== OUTCOME.appended) return;
    stage(attachments.addHistogram(entry));
    addedHistograms.push(entry);
  });

  for (const part of parts(addedExemplars, ({ labelBytes }) => labelBytes.length, ATTACHMENT_RECORD_BYTES)) {
    context.log({ kind: 'exemplars', tenant: number, exemplars: part });
  }
  for (const part of parts(addedHistograms, ({ bytes }) => bytes.length, ATTACHMENT_RECORD_BYTES)) {
    context.log({ kind: 'histograms', tenant: number, histograms: part });
  }
  return outcomes;
}
