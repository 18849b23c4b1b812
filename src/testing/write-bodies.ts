import fc from 'fast-check';
import { type Label, labelsOf, METRIC_NAME } from '../model/labels.ts';
import { loadCore } from '../tsdb/core.ts';
import { encodeWriteRequest, type OutgoingSeries } from '../wire/encode-write-request.ts';
import { LabelTables, type TenantLabels } from '../wire/label-tables.ts';
import { sentLabels, type WriteProtocol } from '../wire/part-lists.ts';
import { WriteBody } from '../wire/write-body.ts';
import { encodeWriteRequest2, type OutgoingSeries2 } from './encode-write-request-2.ts';

export const LIMITS = { maxNames: 30, maxNameBytes: 1_024, maxValueBytes: 2_048 };
export const tables = new LabelTables(await loadCore(), [1, 2, 3, 4]);
export const { memory } = tables;

/** What a request holds, as values that live on. */
export function decode(
  bytes: Uint8Array,
  protocol: WriteProtocol,
  labels?: TenantLabels,
  gone?: Uint32Array,
  behind = 0,
) {
  using body = WriteBody.of(memory, bytes, protocol);
  // What is behind the request must make no difference.
  memory.bytes.fill(behind, body.address + bytes.length, body.address + bytes.length + 64);
  const all = {
    refs: [] as number[],
    times: [] as number[],
    values: [] as number[],
    starts: [] as number[],
    labels: [] as (readonly Label[])[],
    metadata: [] as unknown[],
    attached: [] as unknown[],
    parts: 0,
  };
  for (let next = 0; next < body.length; all.parts++) {
    const part = body.read(labels, LIMITS, next, gone);
    all.refs.push(...part.refs);
    all.times.push(...part.times);
    all.values.push(...part.values);
    all.starts.push(...(part.starts ?? part.times.map(() => 0)));
    all.labels.push(...part.unseen.map(({ sent }) => sentLabels(sent)));
    all.metadata.push(...part.metadata);
    all.attached.push(...part.exemplars, ...part.histograms);
    next = part.next;
  }
  return all;
}

/** Learns every series of a request, under the references 1, 2, 3 and so on. */
export function learn(bytes: Uint8Array, protocol: WriteProtocol, labels: TenantLabels): void {
  using body = WriteBody.of(memory, bytes, protocol);
  const { unseen, text } = body.read(undefined, LIMITS);
  const all = unseen.flatMap(({ key, note }, i) => (key === undefined ? [] : [{ ...key, ref: i + 1, note }]));
  if (protocol === '1.0') labels.learnBytes(body.address, all);
  else labels.learnSymbols(text, all);
}

const label = fc.tuple(fc.string({ unit: 'grapheme', maxLength: 8 }), fc.string({ unit: 'grapheme', maxLength: 200 }));
const time = fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 });
export const outgoing: fc.Arbitrary<OutgoingSeries & OutgoingSeries2> = fc
  .tuple(fc.array(label, { maxLength: 5 }), fc.array(fc.tuple(time, fc.double(), time), { minLength: 1, maxLength: 6 }))
  .map(([labels, samples]) => ({
    labels,
    times: samples.map(([at]) => at),
    values: Float64Array.from(samples, ([, value]) => value),
    starts: samples.map(([, , start]) => start),
  }));
export const PROTOCOLS = ['1.0', '2.0'] as const;
export const encode = (series: readonly (OutgoingSeries & OutgoingSeries2)[], protocol: WriteProtocol) =>
  protocol === '1.0' ? encodeWriteRequest(series) : encodeWriteRequest2(series);
/** What a label set is for the decoder: one that may be stored has its canonical order. */
export const canonical = (labels: readonly Label[]) => {
  const names = new Set(labels.map(([name]) => name));
  const sorted = labelsOf(labels);
  const sound =
    names.size === labels.length && !names.has('') && names.has(METRIC_NAME) && sorted.some(([n]) => n === METRIC_NAME);
  // Above U+DFFF the order of bytes is another one: such label sets are left to the slower way.
  return sound && !labels.some(([name]) => /[\ue000-\u{10ffff}]/u.test(name)) ? sorted : labels;
};
