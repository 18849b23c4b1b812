import { expect, test } from 'vitest';
import type { Anomaly, Feedback } from '../anomaly/anomaly.ts';
import { labelsOf } from '../model/labels.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, MINUTE } from '../model/time.ts';
import { memoryKeyValue } from '../testing/memory-key-value.ts';
import { memorySharedRecords } from '../testing/memory-shared-records.ts';
import { simClock } from '../testing/sim-clock.ts';
import { openSharedFeedback } from './shared-feedback.ts';

const ACME = 'acme' as TenantId;
const ANOMALY: Anomaly = {
  id: 'abc-def',
  watch: 'load',
  labels: labelsOf({ app: 'web' }),
  demand: undefined,
  stepMs: MINUTE,
  since: 0,
  lastAt: 0,
  severity: 'alert',
  confirmed: true,
  endedAt: undefined,
  end: undefined,
  incident: 'abc-def',
  feedback: undefined,
  peak: { at: 0, value: Number.NaN, expected: 1, lower: 0, upper: 2, score: 0.9, direction: 'down', part: 'missing' },
};

function world() {
  const clock = simClock(10 * DAY);
  const { records, state } = memorySharedRecords();
  const taught: string[] = [];
  function begin(name: string, { knows = (): boolean => true, keyValue = memoryKeyValue() } = {}) {
    const stop = new AbortController();
    const feedback = openSharedFeedback({
      ...{ records, keyValue, clock },
      async apply(tenant, anomaly, { verdict }) {
        if (knows()) taught.push(`${name} ${tenant} ${anomaly.id} ${verdict} ${anomaly.peak.value}`);
        return knows();
      },
      fault: (error) => expect(error).toBeUndefined(),
    });
    const running = feedback.run(stop.signal);
    return {
      ...{ feedback, keyValue },
      async end() {
        stop.abort();
        await running;
      },
    };
  }
  const normal = (): Feedback => ({ verdict: 'normal', who: 'a person', at: clock.now(), note: '' });
  return { clock, records, state, taught, begin, normal };
}

test('what is said to one is taught to the others once, and to one that comes later, once it knows the series', async () => {
  const { clock, taught, begin, normal } = world();
  const [one, two] = [begin('one'), begin('two')];
  await one.feedback.say(ACME, ANOMALY, normal());
  await clock.advance(5 * MINUTE);
  expect(taught).toEqual(['two acme abc-def normal NaN']);
  await two.end();
  const again = begin('two', { keyValue: two.keyValue });
  let isLearnt = false;
  const three = begin('three', { knows: () => isLearnt });
  await clock.advance(5 * MINUTE);
  expect(taught).toHaveLength(1);
  isLearnt = true;
  await clock.advance(5 * MINUTE);
  expect(taught).toEqual(['two acme abc-def normal NaN', 'three acme abc-def normal NaN']);
  for (const each of [one, again, three]) await each.end();
});

test('what is said again replaces what was said, and all of it is forgotten after 90 days', async () => {
  const { clock, records, taught, begin, normal } = world();
  const [one, two] = [begin('one'), begin('two')];
  await one.feedback.say(ACME, ANOMALY, normal());
  await clock.advance(MINUTE);
  await one.feedback.say(ACME, ANOMALY, { ...normal(), verdict: 'anomaly' });
  await clock.advance(MINUTE);
  expect(taught.map((text) => text.split(' ')[3])).toEqual(['normal', 'anomaly']);
  clock.set(91 * DAY);
  await one.feedback.say(ACME, { ...ANOMALY, id: 'new-one' }, normal());
  expect([...records.list('feedback').keys()]).toEqual(['acme/new-one']);
  for (const each of [one, two]) await each.end();
});

test('what cannot be shared is refused', async () => {
  const { state, begin, normal } = world();
  const one = begin('one');
  state.broken = true;
  await expect(one.feedback.say(ACME, ANOMALY, normal())).rejects.toMatchObject({ code: 'not_shared' });
  await one.end();
});
