import { expect, test } from 'vitest';
import type { Route } from '../alerting/route.ts';
import type { Silence } from '../alerting/silence.ts';
import { openAlertDesk } from '../loops/alert-desk.ts';
import { openAlertShare } from '../loops/alert-share.ts';
import type { Alert } from '../model/alert.ts';
import { labelsOf } from '../model/labels.ts';
import type { TenantId } from '../model/tenant.ts';
import { HOUR, MINUTE, SECOND } from '../model/time.ts';
import type { Outcome } from '../notify/outcome.ts';
import { openQueue } from '../notify/queue.ts';
import { encodeJson } from '../storage/json-value.ts';
import { memoryKeyValue } from '../testing/memory-key-value.ts';
import { memorySharedRecords } from '../testing/memory-shared-records.ts';
import { simClock } from '../testing/sim-clock.ts';

const ACME = 'acme' as TenantId;
const ROUTE: Route = {
  ...{ receiver: 'team', matchers: [], continue: false, groupBy: ['alertname'] as const, routes: [] },
  ...{ groupWaitMs: 5 * SECOND, groupIntervalMs: 10 * SECOND, repeatIntervalMs: 4 * HOUR },
};
const SENT: Outcome = { kind: 'sent' };
const DOWN: Outcome = { kind: 'failed', reason: 'server-error', message: 'no', retry: true };

/** Replicas with a folder each, of which `teller` tells; what they send, by the keys that the receiver sees. */
function world() {
  const clock = simClock(1_700_000_000_000);
  const { records, state } = memorySharedRecords();
  const said: string[] = [];
  const keys = new Set<string>();
  const how = { teller: 'a', tenure: 0, answer: SENT };

  async function begin(name: string, keyValue = memoryKeyValue()) {
    const stop = new AbortController();
    const acts = () => how.teller === name && !stop.signal.aborted;
    const share = openAlertShare({
      ...{ records, clock, replica: name, tenureOf: () => (acts() ? String(how.tenure) : undefined) },
      msLeft: () => (acts() ? MINUTE : 0),
      queue: { waitingOf: (tenant) => queue.waitingOf(tenant), forsake: (tenant) => queue.forsake(tenant) },
      on: { fault() {}, full() {} },
    });
    const queue = await openQueue({
      ...{ keyValue, clock, random: () => 0, retryForMs: HOUR, length: 100, maySend: share.tellsNow },
      ...{ bytes: 2 ** 20, pause: () => undefined },
      laneOf: () => ({
        maxPerMinute: 6000,
        async send({ id, message }) {
          if (how.answer.kind === 'sent') {
            keys.add(id);
            for (const { status, labels } of message.alerts) said.push(`${status} ${labels['alertname']}`);
          }
          return how.answer;
        },
      }),
      on: { sent() {}, failed() {}, length() {}, bytes() {}, dead() {}, forgotten() {}, fault() {} },
    });
    const desk = await openAlertDesk({
      ...{ keyValue, clock, pause: () => undefined, acts, share },
      settings: {
        ...{ routeOf: () => ROUTE, serves: () => true, inhibitRules: [], alertsPerTenant: 100 },
        flapping: { starts: 4, withinMs: HOUR, settleMs: 15 * MINUTE },
      },
      enqueue: (messages) =>
        queue.prepare(
          messages.map((message) => {
            const { id, tenant, receiver, at } = message;
            return { id, tenant, receiver, integration: 'slack[0]', message, queuedAt: at };
          }),
        ),
      on: { refused() {}, news() {}, fault() {}, pass() {} },
    });
    const running = Promise.all([desk.run(stop.signal), queue.run(stop.signal), share.run(desk, stop.signal)]);
    return {
      ...{ name, keyValue, desk, share },
      /** As far as others see it, like a kill: nothing more is written or sent. */
      async end() {
        stop.abort();
        await running;
      },
    };
  }
  const handOver = (name: string) => {
    how.teller = name;
    how.tenure++;
  };
  return { clock, records, state, said, keys, how, begin, handOver };
}

function alert(alertname: string, now: number, more: Partial<Alert> = {}): Alert {
  return { labels: labelsOf({ alertname }), annotations: {}, startsAt: now, generatorUrl: '', ...more };
}

function silence(alertname: string, now: number): Silence {
  return {
    ...{ id: `of-${alertname}`, matchers: [{ name: 'alertname', op: '=', value: alertname }] },
    ...{ startsAt: now, endsAt: now + HOUR, createdBy: 'a person', comment: 'planned', updatedAt: now },
  };
}

test('what was told is not told again by the replica that goes on, and its end is', async () => {
  const { clock, said, begin, handOver } = world();
  const a = await begin('a');
  const b = await begin('b');
  await a.desk.tell(ACME, [alert('Disk', clock.now())]);
  await clock.advance(MINUTE);
  expect(said).toEqual(['firing Disk']);
  await a.end();
  await clock.advance(20 * SECOND);
  handOver('b');
  await clock.advance(5 * MINUTE);
  expect(said).toEqual(['firing Disk']);
  await b.desk.tell(ACME, [alert('Disk', clock.now(), { endsAt: clock.now() })]);
  await clock.advance(MINUTE);
  expect(said).toEqual(['firing Disk', 'resolved Disk']);
  await b.end();
});

test('an alert that nobody tells again has ended for the one that goes on, too', async () => {
  const { clock, said, begin, handOver } = world();
  const a = await begin('a');
  const b = await begin('b');
  await a.desk.tell(ACME, [alert('Disk', clock.now())]);
  await clock.advance(MINUTE);
  await a.end();
  handOver('b');
  await clock.advance(15 * MINUTE);
  expect(said).toEqual(['firing Disk', 'resolved Disk']);
  await b.end();
});

test('what could not be sent is sent by the one that goes on, under the same key', async () => {
  const { clock, said, keys, how, begin, handOver } = world();
  const a = await begin('a');
  const b = await begin('b');
  how.answer = DOWN;
  await a.desk.tell(ACME, [alert('Disk', clock.now())]);
  await clock.advance(MINUTE);
  handOver('b');
  await clock.advance(10 * SECOND);
  how.answer = SENT;
  await clock.advance(2 * MINUTE);
  expect(said).toEqual(['firing Disk']);
  // It comes back to the first one, which had it in its own queue.
  handOver('a');
  await clock.advance(2 * MINUTE);
  expect(said).toEqual(['firing Disk']);
  expect(keys.size).toBe(1);
  await a.end();
  await b.end();
});

test('one that was sent in the moment before the end comes again with the same key', async () => {
  const { clock, said, keys, state, begin, handOver } = world();
  const a = await begin('a');
  const b = await begin('b');
  await a.desk.tell(ACME, [alert('Disk', clock.now())]);
  await clock.advance(4 * SECOND);
  // From here on it writes nothing that others see.
  state.broken = true;
  await clock.advance(2 * SECOND);
  expect(said).toEqual(['firing Disk']);
  await a.end();
  state.broken = false;
  handOver('b');
  await clock.advance(MINUTE);
  expect(said).toEqual(['firing Disk', 'firing Disk']);
  expect(keys.size).toBe(1);
  await b.end();
});

test('alerts that are posted to one that does not tell are told once, shown everywhere, and outlive it', async () => {
  const { clock, said, begin } = world();
  const a = await begin('a');
  const b = await begin('b');
  const c = await begin('c');
  await b.share.post(ACME, [alert('Posted', clock.now(), { endsAt: clock.now() + 10 * MINUTE })]);
  await b.end();
  await clock.advance(MINUTE);
  expect(said).toEqual(['firing Posted']);
  for (const { desk } of [a, c]) {
    const shown: unknown[] = [];
    for await (const views of desk.viewsOf(ACME)) shown.push(...views.map(({ alert: held }) => held.labels));
    expect(shown).toEqual([[['alertname', 'Posted']]]);
  }
  await clock.advance(12 * MINUTE);
  expect(said).toEqual(['firing Posted', 'resolved Posted']);
  await a.end();
  await c.end();
});

test('an alert that was posted in the last moment is told by the next one', async () => {
  const { clock, said, begin, handOver } = world();
  const a = await begin('a');
  const b = await begin('b');
  await clock.advance(2 * SECOND);
  await a.share.post(ACME, [alert('Posted', clock.now(), { endsAt: clock.now() + 10 * MINUTE })]);
  await a.end();
  handOver('b');
  await clock.advance(MINUTE);
  expect(said).toEqual(['firing Posted']);
  await b.end();
});

test('a silence that one is sent holds on all, also on one that comes later with an empty folder', async () => {
  const { clock, said, begin, handOver } = world();
  const a = await begin('a');
  const b = await begin('b');
  await b.desk.putSilences(ACME, [silence('Disk', clock.now())]);
  await b.end();
  await clock.advance(2 * SECOND);
  await a.desk.tell(ACME, [alert('Disk', clock.now())]);
  await clock.advance(MINUTE);
  await a.end();
  const c = await begin('c');
  handOver('c');
  await clock.advance(2 * SECOND);
  await c.desk.tell(ACME, [alert('Disk', clock.now())]);
  await clock.advance(MINUTE);
  expect(c.desk.silences(ACME).map(({ id }) => id)).toEqual(['of-Disk']);
  expect(said).toEqual([]);
  await c.end();
});

test('a silence that cannot be shared is refused, and holds nowhere', async () => {
  const { clock, state, begin } = world();
  const a = await begin('a');
  state.broken = true;
  await expect(a.desk.putSilences(ACME, [silence('Disk', clock.now())])).rejects.toMatchObject({ code: 'not_shared' });
  expect(a.desk.silences(ACME)).toEqual([]);
  await a.end();
});

test('one that cannot read what was left goes on after a minute: rather twice than never', async () => {
  const { clock, said, state, begin } = world();
  state.broken = true;
  const a = await begin('a');
  await a.desk.tell(ACME, [alert('Disk', clock.now())]);
  await clock.advance(30 * SECOND);
  expect(said).toEqual([]);
  await clock.advance(MINUTE);
  expect(said).toEqual(['firing Disk']);
  await a.end();
});

test('a restart of the one that tells goes on from its own folder, which is newer than what it shared', async () => {
  const { clock, said, how, state, begin, handOver } = world();
  const a = await begin('a');
  await clock.advance(2 * SECOND);
  await a.desk.tell(ACME, [alert('Disk', clock.now())]);
  await clock.advance(3 * SECOND);
  state.broken = true;
  await clock.advance(10 * SECOND);
  expect(said).toEqual(['firing Disk']);
  await a.end();
  how.teller = '';
  state.broken = false;
  const again = await begin('a', a.keyValue);
  await clock.advance(15 * SECOND);
  handOver('a');
  await clock.advance(MINUTE);
  expect(said).toEqual(['firing Disk']);
  await again.end();
});

test('an end that is found after an outage is told although the process is killed while it writes that', async () => {
  const { clock, said, begin, handOver } = world();
  const keyValue = memoryKeyValue();
  const a = await begin('a', keyValue);
  await a.desk.tell(ACME, [alert('Disk', clock.now(), { endsAt: clock.now() + MINUTE })]);
  await clock.advance(20 * SECOND);
  expect(said).toEqual(['firing Disk']);
  await a.desk.tell(ACME, [alert('Disk', clock.now(), { endsAt: clock.now() })]);
  await a.end();
  await clock.advance(70 * MINUTE);
  let isDead = false;
  const killed = await begin('a', {
    ...keyValue,
    async write(changes) {
      isDead ||= changes.some(({ key, value }) => key.startsWith('alert-queue/') && value !== undefined);
      if (isDead) throw new Error('killed');
      await keyValue.write(changes);
    },
  });
  handOver('a');
  await clock.advance(2 * SECOND);
  await killed.end();
  const again = await begin('a', keyValue);
  await clock.advance(10 * MINUTE);
  expect(said).toEqual(['firing Disk', 'resolved Disk']);
  await again.end();
});

test('records of one tenant that are refused keep no other tenant from being told', async () => {
  const { clock, records, said, begin } = world();
  const { write } = records;
  records.write = async (changes, msLeft) => {
    if (changes.some(({ topic, key }) => topic === 'alerts' && key.startsWith('aaa/'))) throw new Error('too long');
    return await write(changes, msLeft);
  };
  const a = await begin('a');
  const b = await begin('b');
  await clock.advance(2 * SECOND);
  await a.desk.tell('aaa' as TenantId, [alert('Large', clock.now())]);
  await clock.advance(10 * SECOND);
  await b.share.post(ACME, [alert('Disk', clock.now())]);
  await clock.advance(MINUTE);
  expect(said).toEqual(['firing Large', 'firing Disk']);
  await a.end();
  await b.end();
});

test('what was told before anything was shared is kept when replicas begin to share', async () => {
  const { clock, records, said, how, begin, handOver } = world();
  const before = await begin('a');
  await before.desk.tell(ACME, [alert('Disk', clock.now())]);
  await clock.advance(MINUTE);
  await before.end();
  for (const topic of ['tellers', 'alerts', 'groups'] as const) {
    await records.write([...records.list(topic).keys()].map((key) => ({ topic, key, text: undefined })));
  }
  how.teller = '';
  const after = await begin('a', before.keyValue);
  await clock.advance(15 * SECOND);
  handOver('a');
  await clock.advance(30 * MINUTE);
  expect(said).toEqual(['firing Disk', 'resolved Disk']);
  await after.end();
});

test('an alert that was posted is told although the one that tells could not write it at first', async () => {
  const { clock, said, begin } = world();
  const keyValue = memoryKeyValue();
  let faults = 0;
  const a = await begin('a', {
    ...keyValue,
    async write(changes) {
      if (faults-- > 0) throw new Error('no space');
      await keyValue.write(changes);
    },
  });
  const b = await begin('b');
  await clock.advance(5 * SECOND);
  faults = 1;
  await b.share.post(ACME, [alert('Disk', clock.now())]);
  await clock.advance(MINUTE);
  expect(said).toEqual(['firing Disk']);
  await a.end();
  await b.end();
});

test('one that cannot write what it takes over takes it over again', async () => {
  const { clock, said, begin, handOver } = world();
  const a = await begin('a');
  await clock.advance(2 * SECOND);
  await a.desk.tell(ACME, [alert('Disk', clock.now())]);
  await clock.advance(20 * SECOND);
  await a.end();
  const keyValue = memoryKeyValue();
  let faults = 1;
  const b = await begin('b', {
    ...keyValue,
    async write(changes) {
      if (changes.some(({ key }) => key.startsWith('alert-held/')) && faults-- > 0) throw new Error('no space');
      await keyValue.write(changes);
    },
  });
  handOver('b');
  await clock.advance(20 * MINUTE);
  expect(said).toEqual(['firing Disk', 'resolved Disk']);
  await b.end();
});

test('one that could not say that it tells says so later', async () => {
  const { clock, records, said, begin, handOver } = world();
  const a = await begin('a');
  const b = await begin('b');
  await clock.advance(2 * SECOND);
  await a.desk.tell(ACME, [alert('Disk', clock.now())]);
  await clock.advance(20 * SECOND);
  const { write } = records;
  let faults = 1;
  records.write = async (changes, msLeft) => {
    if (changes.some(({ topic }) => topic === 'tellers') && faults-- > 0) throw new Error('timeout');
    return await write(changes, msLeft);
  };
  handOver('b');
  await clock.advance(20 * SECOND);
  expect(records.list('tellers').get(`${ACME}/teller`)).toBe('b');
  expect(said).toEqual(['firing Disk']);
  await a.end();
  await b.end();
});

test('a silence that was just kept holds while what others wrote is followed', async () => {
  const { clock, records, begin } = world();
  const a = await begin('a');
  const b = await begin('b');
  await a.desk.tell(ACME, [alert('Disk', clock.now())]);
  await clock.advance(5 * SECOND);
  const { write } = records;
  records.write = async (changes, msLeft) => {
    if (changes.some(({ topic }) => topic === 'silences')) await clock.sleep(2 * SECOND);
    return await write(changes, msLeft);
  };
  const kept = a.desk.putSilences(ACME, [silence('Disk', clock.now())]);
  await b.share.post(ACME, [alert('Other', clock.now())]);
  await clock.advance(2 * SECOND);
  await kept;
  for (let i = 0; i < 20; i++) {
    expect(a.desk.silences(ACME)).toHaveLength(1);
    await clock.advance(50);
  }
  await a.end();
  await b.end();
});

test('silences of a time when nothing was shared hold where not all of them can be', async () => {
  const { clock, records, begin, how, handOver } = world();
  how.teller = '';
  const keyValue = memoryKeyValue();
  for (const each of [silence('Disk', clock.now()), silence('Net', clock.now())]) {
    await keyValue.write([{ key: `alert-silence/${ACME}/${each.id}`, value: encodeJson(each) }]);
  }
  const { write } = records;
  records.write = async (changes, msLeft) => {
    const full = changes.filter(({ key }) => key.endsWith('of-Net'));
    await write(
      changes.filter((each) => !full.includes(each)),
      msLeft,
    );
    return full.map(({ key }) => key);
  };
  const a = await begin('a', keyValue);
  handOver('a');
  await clock.advance(2 * MINUTE);
  expect(a.desk.silences(ACME).map(({ id }) => id)).toEqual(['of-Disk', 'of-Net']);
  await a.end();
});

test('what is beyond the limit of alerts is not taken up by what others know either', async () => {
  const { clock, begin, handOver } = world();
  const a = await begin('a');
  const b = await begin('b');
  await clock.advance(2 * SECOND);
  await a.desk.tell(ACME, [alert('Own', clock.now())]);
  await clock.advance(3 * SECOND);
  const many = Array.from({ length: 250 }, (_, i) => alert(`Of${i}`, clock.now()));
  await b.desk.tell(ACME, many);
  const held = [b.desk.kept(ACME).alerts.length];
  await clock.advance(2 * SECOND);
  await a.desk.tell(ACME, [alert('Other', clock.now())]);
  await clock.advance(2 * SECOND);
  held.push(b.desk.kept(ACME).alerts.length);
  handOver('b');
  await clock.advance(5 * SECOND);
  held.push(b.desk.kept(ACME).alerts.length);
  expect(held).toEqual([100, 100, 100]);
  await a.end();
  await b.end();
});

test('an alert that was posted without an end in sight is shared as posted for a day at most', async () => {
  const { clock, records, begin } = world();
  const a = await begin('a');
  const b = await begin('b');
  await clock.advance(2 * SECOND);
  await b.share.post(ACME, [alert('Long', clock.now(), { endsAt: Date.UTC(9999, 0, 1) })]);
  await clock.advance(10 * MINUTE);
  expect(records.list('posted').size).toBe(1);
  await a.end();
  await b.end();
  await clock.advance(24 * HOUR);
  const again = await begin('a', a.keyValue);
  await clock.advance(MINUTE);
  expect(records.list('posted').size).toBe(0);
  expect(again.desk.kept(ACME).alerts).toHaveLength(1);
  await again.end();
});

test('alerts that are posted for one tenant take no other its room', async () => {
  const { clock, begin } = world();
  const a = await begin('a');
  const b = await begin('b');
  await clock.advance(2 * SECOND);
  const large = (of: number) => alert(`Of${of}`, clock.now(), { annotations: { text: '漢'.repeat(20_000) } });
  await b.share.post(
    ACME,
    Array.from({ length: 40 }, (_, i) => large(i)),
  );
  const more = Array.from({ length: 40 }, (_, i) => large(40 + i));
  await expect(b.share.post(ACME, more)).rejects.toMatchObject({ code: 'not_shared' });
  await b.share.post('other' as TenantId, more);
  await a.end();
  await b.end();
});
