import type { Labels } from '../model/labels.ts';
import { type Attachments, OUTCOME, type SeriesWriter } from '../storage/write.ts';
import { readExemplar } from '../wire/exemplar.ts';
import { readHistogram } from '../wire/histogram.ts';
import type { AttachedPlace } from '../wire/part-lists.ts';
import type { WriteBody, WritePart } from '../wire/write-body.ts';
import type { AppendSummary, Item } from './append-summary.ts';
import { deferralOf, refusalOf } from './outcome-reasons.ts';

type Placed<T> = T & { readonly place: AttachedPlace };

/** Exemplars and histograms of a part, read: they live on when the part is overwritten. */
export interface ReadAttachments {
  readonly exemplars: readonly Placed<{ readonly time: number; readonly value: number; readonly labels: Labels }>[];
  readonly histograms: readonly Placed<{
    readonly time: number;
    readonly start: number;
    readonly bytes: Uint8Array;
  }>[];
  readonly refused: readonly { readonly item: Item; readonly time: number; readonly why: string }[];
}

/** To be called in the turn in which the part was decoded. */
export function readAttachments(body: WriteBody, part: WritePart): ReadAttachments {
  const refused: { readonly item: Item; readonly time: number; readonly why: string }[] = [];
  const exemplars = part.exemplars.flatMap((place) => {
    const read = readExemplar(body.bytes(place.start, place.end), body.protocol, body.memory);
    if (read.kind === 'exemplar') return [{ ...read, place }];
    refused.push({ item: 'exemplars', ...read });
    return [];
  });
  const histograms = part.histograms.flatMap((place) => {
    const read = readHistogram(body.bytes(place.start, place.end));
    if (read.kind === 'histogram') return [{ ...read, start: read.start || place.created, place }];
    refused.push({ item: 'histograms', ...read });
    return [];
  });
  return { exemplars, histograms, refused };
}

const REASONS: Readonly<Record<Item, string>> = {
  samples: 'invalid_sample',
  histograms: 'invalid_histogram',
  exemplars: 'invalid_exemplar',
};

/**
 * Keeps what was read of the series that have a reference.
 * @param refOf Of the series at a place; 0 where it was refused.
 * @param isStrict Whether the sender is told of exemplars that are not kept. 1.0 does not promise them.
 * @returns References that the store has no more. Then nothing is counted, and all is to be tried again.
 */
export async function attachPart(
  { exemplars, histograms, refused }: ReadAttachments,
  {
    writer,
    refOf,
    summary,
    isStrict,
  }: {
    readonly writer: Pick<SeriesWriter, 'attach'>;
    readonly refOf: (place: AttachedPlace) => number;
    readonly summary: AppendSummary;
    readonly isStrict: boolean;
  },
  isLastAttempt: boolean,
): Promise<readonly number[]> {
  const withRef = <T extends { readonly place: AttachedPlace }>(all: readonly T[]) =>
    all.map((each) => ({ ...each, ref: refOf(each.place) }));
  const placed = { exemplars: withRef(exemplars), histograms: withRef(histograms) };
  const attachments: Attachments = {
    exemplars: placed.exemplars.filter(({ ref }) => ref !== 0),
    histograms: placed.histograms.filter(({ ref }) => ref !== 0),
  };
  const outcomes = await writer.attach(attachments);
  const gone = (['exemplars', 'histograms'] as const).flatMap((item) =>
    attachments[item].filter((_, i) => outcomes[item][i] === OUTCOME.gone).map(({ ref }) => ref),
  );
  if (gone.length > 0 && !isLastAttempt) return gone;

  const refuse = (item: Item, reason: string, count: number, message: () => string) => {
    if (item === 'exemplars' && !isStrict) summary.drop(reason, count);
    else summary.refuse(item, reason, count, message);
  };
  for (const { item, time, why } of refused) refuse(item, REASONS[item], 1, () => `${one(item)} at ${time} ms: ${why}`);
  for (const item of ['histograms', 'exemplars'] as const) {
    // Why its series was refused is told once, with the series.
    const homeless = placed[item].length - attachments[item].length;
    if (homeless > 0) refuse(item, REASONS[item], homeless, () => `${homeless} ${item} of series that are refused`);
    attachments[item].forEach(({ time }, i) => {
      const outcome = outcomes[item][i]!;
      if (outcome === OUTCOME.appended || outcome === OUTCOME.duplicate) {
        summary.stored[item]++;
        return;
      }
      const refusal = refusalOf(outcome);
      if (refusal === undefined) summary.defer(deferralOf(outcome), 1);
      else refuse(item, refusal.reason, 1, () => `${one(item)} at ${time} ms: ${refusal.why}`);
    });
  }
  return [];
}

function one(item: Item): string {
  return item === 'exemplars' ? 'an exemplar' : 'a histogram';
}
