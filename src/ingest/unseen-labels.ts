import { encodeLabels, type Label } from '../model/labels.ts';
import { sentLabels, type UnseenSeries } from '../wire/part-lists.ts';
import type { WriteBody } from '../wire/write-body.ts';
import { checkLabels, describeSeries, type LabelLimits } from './check-labels.ts';

/** A series' canonical bytes, or why a sender may not use it. */
export type CheckedSeries =
  | { readonly kind: 'labels'; readonly bytes: Uint8Array }
  | { readonly kind: 'refused'; readonly reason: string; readonly message: string };

/** @param isCarrier Exemplars or histograms of it were sent. */
export function checkUnseen(unseen: UnseenSeries, limits: LabelLimits, isCarrier: boolean): CheckedSeries {
  const { canonical, empty, note } = unseen;
  if (empty && !isCarrier && note === 0) return refused(unseen, 'empty_series', 'it has no samples');
  if (canonical !== undefined) return { kind: 'labels', bytes: canonical };
  if (unseen.badRefs) return refused(unseen, 'invalid_symbol', 'a label refers to a symbol that is not there');
  if (unseen.tooLong) {
    const why = 'its labels are longer than any limit allows (err-foresail-labels-too-long)';
    return refused(unseen, 'labels_too_long', why);
  }
  if (unseen.invalidUtf8) return refused(unseen, 'invalid_utf8', 'a label is not valid UTF-8');
  const checked = checkLabels(sentLabels(unseen.sent), limits);
  return checked.kind === 'refused' ? checked : { kind: 'labels', bytes: encodeLabels(checked.labels) };
}

function refused(unseen: UnseenSeries, reason: string, why: string): CheckedSeries {
  return { kind: 'refused', reason, message: `${describeSeries(labelsOfUnseen(unseen))}: ${why}` };
}

/** For messages. */
export function labelsOfUnseen({ sent }: UnseenSeries): readonly Label[] {
  return sentLabels(sent);
}

/** Names a sample of the part that begins at `offset`. Labels of known series were not decoded before: now they are. */
export function describeSample(body: WriteBody, limits: LabelLimits, offset: number, index: number): string {
  let left = index;
  for (let next = offset; next < body.length; ) {
    const part = body.read(undefined, limits, next);
    if (left < part.times.length) {
      const series = part.unseen.find(({ firstSample, endSample }) => firstSample <= left && left < endSample)!;
      return `${describeSeries(labelsOfUnseen(series))}, sample at ${part.times[left]} ms`;
    }
    left -= part.times.length;
    next = part.next;
  }
  return 'a series';
}
