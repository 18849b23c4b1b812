import { expect, test } from 'vitest';
import { encodeLabels, labelsOf } from '../model/labels.ts';
import { appendSeries } from '../storage/append-series.ts';
import { OUTCOME } from '../storage/write.ts';
import { openKnownSeries } from './known-series.ts';
import type { Letter } from './letter.ts';
import { pendingWriter } from './pending-writer.ts';

const labels = (app: string) => labelsOf({ __name__: 'up', app });
test('beyond its bound all is forgotten, and a reference from before is never that of another series', () => {
  const known = openKnownSeries(2);
  const [a, b] = [known.add(labels('a')), known.add(labels('b'))];
  const c = known.add(labels('c'));
  expect([known.at(a), known.at(b), known.at(c)]).toEqual([undefined, undefined, labels('c')]);
});

test('a writer answers gone for what was forgotten, and what is resolved again is sent', async () => {
  const known = openKnownSeries();
  const sent: string[] = [];
  const writer = pendingWriter(
    async ({ series }) => void sent.push(...series.map((each) => each.labels.map(([, value]) => value).join())),
    { enforced: ['org', 'acme'], known },
  );
  const [answer] = await writer.ref([encodeLabels(labels('a'))]);
  if (answer?.kind !== 'ref') throw new Error('refused');
  known.clear();
  const batch = { refs: Uint32Array.of(answer.ref), times: Float64Array.of(1), values: Float64Array.of(1) };
  expect([...(await writer.write(batch))]).toEqual([OUTCOME.gone]);
  const series = { labels: labels('a'), times: Float64Array.of(1), values: Float64Array.of(1) };
  expect(await appendSeries(writer, [series])).toMatchObject({ stored: 1, dropped: {} });
  expect(sent).toEqual(['up,a,acme']);
});

test('exemplars and histograms go with the samples where there is a place for them', async () => {
  const letters: Letter[] = [];
  const attachments = (ref: number) => ({
    exemplars: [{ ref, time: 5, value: 1, labels: [] }],
    histograms: [{ ref, time: 5, start: 0, bytes: Uint8Array.of(1) }],
  });
  for (const takesAttachments of [true, false]) {
    const writer = pendingWriter(async (letter) => void letters.push(letter), { takesAttachments });
    const [answer] = await writer.ref([encodeLabels(labels('a'))]);
    if (answer?.kind !== 'ref') throw new Error('refused');
    const outcomes = await writer.attach(attachments(answer.ref));
    const expected = takesAttachments ? OUTCOME.appended : OUTCOME.unsupported;
    expect([outcomes.exemplars[0], outcomes.histograms[0]]).toEqual([expected, expected]);
    const gone = await writer.attach(attachments(99));
    expect(gone.histograms[0]).toBe(takesAttachments ? OUTCOME.gone : OUTCOME.unsupported);
    await writer.commit();
  }
  const [letter, ...others] = letters;
  expect(letter!.exemplars).toEqual([{ series: labels('a'), time: 5, value: 1, labels: [] }]);
  expect(letter!.histograms).toEqual([{ series: labels('a'), time: 5, start: 0, bytes: Uint8Array.of(1) }]);
  expect(others).toEqual([]);
});

test('a series without a name is refused where the engine keeps none', async () => {
  const writer = pendingWriter(async () => {}, { named: true });
  const answers = await writer.ref([encodeLabels(labelsOf({ app: 'a' })), encodeLabels(labels('a'))]);
  expect(answers).toMatchObject([{ kind: 'refused', id: 'missing_name' }, { kind: 'ref' }]);
});
