import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TOLD_FOR_MS } from '../model/alert.ts';
import { labelsOf } from '../model/labels.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../model/time.ts';
import { fingerprintOf } from './fingerprint.ts';
import { type Flapping, type HeldAlert, isFiring, takeAlert } from './held.ts';
import { inhibiting } from './inhibit.ts';
import { parseMatchers } from './matchers.ts';
import type { Message } from './message.ts';
import { type Route, routing } from './route.ts';
import { type Silence, silenceFault, silenceState } from './silence.ts';
import { openSilenceBook } from './silence-book.ts';
import { type AlertingPlan, type AlertingState, step } from './step.ts';

const NEVER: Flapping = { starts: Number.POSITIVE_INFINITY, withinMs: HOUR, settleMs: 10 * MINUTE };
const ROUTE: Route = {
  receiver: 'team',
  matchers: [],
  continue: false,
  groupBy: ['alertname'],
  groupWaitMs: 30 * SECOND,
  groupIntervalMs: 5 * MINUTE,
  repeatIntervalMs: 4 * HOUR,
  routes: [],
};

function silencing(silences: readonly Silence[], now: number): AlertingPlan['silencedBy'] {
  const book = openSilenceBook();
  for (const silence of silences) book.set(silence.id, silence);
  return (labels) => book.by(labels, now);
}

/** A tenant's alerts, and a clock that somebody moves. */
function world({ route = ROUTE, flapping = NEVER, rules = [] as Parameters<typeof inhibiting>[0] } = {}) {
  let state: AlertingState = { alerts: new Map(), groups: new Map() };
  let now = 1_000 * DAY;
  const silences: Silence[] = [];
  const messages: Message[] = [];
  const placesOf = routing(route, () => true);
  const inhibition = inhibiting(rules);
  const plan = (): AlertingPlan => ({
    ...{ tenant: 'acme', placesOf, inhibition, flapping },
    silencedBy: silencing(silences, now),
  });
  const look = () => {
    const next = step(state, plan(), now);
    state = next.state;
    messages.push(...next.messages);
    return next;
  };
  const tell = (labels: Record<string, string>, ended = false): void => {
    const told = labelsOf({ alertname: 'A', ...labels });
    const fingerprint = fingerprintOf(told);
    const before = state.alerts.get(fingerprint);
    const one = { labels: told, annotations: {}, startsAt: now, generatorUrl: '', ...(ended && { endsAt: now }) };
    const held = takeAlert(before, one, { fingerprint, now, flapping });
    if (held === undefined) return;
    state = { ...state, alerts: new Map(state.alerts).set(fingerprint, held) };
    look();
  };
  return {
    silences,
    messages,
    placesOf,
    tell,
    now: () => now,
    state: () => state,
    isMuted: (alert: HeldAlert) => {
      const among = inhibition();
      for (const each of state.alerts.values()) if (isFiring(each, now, flapping)) among.add(each);
      return silencing(silences, now)(alert.labels).length > 0 || among.by(alert).length > 0;
    },
    /** In steps of at most a second's look, as the loop goes: at what it asked for. */
    advance(ms: number, refresh: readonly Record<string, string>[] = []) {
      const end = now + ms;
      let refreshed = now;
      for (;;) {
        const { wakeAt } = look();
        const next = Math.min(end, wakeAt, refreshed + MINUTE);
        if (next <= now && now >= end) return;
        now = Math.max(next, now + 1);
        if (now - refreshed >= MINUTE) {
          refreshed = now;
          for (const labels of refresh) tell(labels);
        }
      }
    },
  };
}

const told = (messages: readonly Message[]) =>
  messages.map(({ alerts }) => alerts.map(({ status, labels }) => `${status} ${labels['of'] ?? labels['alertname']}`));

test('a new group waits, what comes meanwhile is told with it, what comes later at the next look', () => {
  const { tell, advance, messages } = world();
  tell({ of: 'a' });
  advance(10 * SECOND);
  tell({ of: 'b' });
  expect(messages).toEqual([]);
  advance(20 * SECOND);
  expect(told(messages)).toEqual([['firing a', 'firing b']]);
  tell({ of: 'c' });
  advance(4 * MINUTE, [{ of: 'a' }, { of: 'b' }, { of: 'c' }]);
  expect(messages).toHaveLength(1);
  advance(1 * MINUTE, [{ of: 'a' }, { of: 'b' }, { of: 'c' }]);
  expect(told(messages).at(-1)).toEqual(['firing a', 'firing b', 'firing c']);
});

test('an end is told once, with its time, and the group begins anew afterwards', () => {
  const { tell, advance, messages, state } = world();
  tell({ of: 'a' });
  advance(MINUTE);
  tell({ of: 'a' }, true);
  advance(10 * MINUTE);
  expect(told(messages)).toEqual([['firing a'], ['resolved a']]);
  expect(messages[1]).toMatchObject({ status: 'resolved', groupLabels: { alertname: 'A' } });
  expect(state().groups.size).toBe(0);
  tell({ of: 'a' });
  advance(MINUTE);
  expect(told(messages)).toEqual([['firing a'], ['resolved a'], ['firing a']]);
  expect(new Set(messages.map(({ id }) => id)).size).toBe(3);
});

test('an alert that nobody tells any more ends', () => {
  const { tell, advance, messages } = world();
  tell({ of: 'a' });
  advance(HOUR);
  expect(told(messages)).toEqual([['firing a'], ['resolved a']]);
  expect(messages[1]!.alerts[0]!.endsAt! - messages[1]!.alerts[0]!.startsAt).toBe(TOLD_FOR_MS);
});

test('what goes on is told again after the repeat interval', () => {
  const { tell, advance, messages } = world();
  tell({ of: 'a' });
  advance(9 * HOUR, [{ of: 'a' }]);
  expect(messages).toHaveLength(3);
});

test('a silence keeps back that an alert fires, not the end of one that was told', () => {
  const { tell, advance, messages, silences, now } = world();
  tell({ of: 'a' });
  advance(MINUTE);
  const matchers = parseMatchers('alertname="A"');
  silences.push({
    ...{ id: 's', matchers, startsAt: now(), endsAt: now() + HOUR, createdBy: 'me', comment: 'x', updatedAt: now() },
  });
  tell({ of: 'b' });
  advance(10 * MINUTE, [{ of: 'a' }, { of: 'b' }]);
  expect(messages).toHaveLength(1);
  tell({ of: 'a' }, true);
  advance(10 * MINUTE, [{ of: 'b' }]);
  expect(told(messages)).toEqual([['firing a'], ['resolved a']]);
  advance(HOUR, [{ of: 'b' }]);
  expect(told(messages).at(-1)).toEqual(['firing b']);
});

test('an alert that comes and goes is told once as flapping, and its end once it keeps still', () => {
  const flapping: Flapping = { starts: 3, withinMs: HOUR, settleMs: 15 * MINUTE };
  const { tell, advance, messages } = world({ flapping });
  for (let i = 0; i < 8; i++) {
    tell({ of: 'a' });
    advance(6 * MINUTE, [{ of: 'a' }]);
    tell({ of: 'a' }, true);
    advance(6 * MINUTE);
  }
  const flaps = messages.filter(({ alerts }) => alerts[0]!.annotations['flapping'] !== undefined);
  expect(flaps).toHaveLength(1);
  expect(told(messages)).toEqual([
    ...[['firing a'], ['resolved a'], ['firing a'], ['resolved a'], ['firing a'], ['resolved a']],
    ['firing a'],
  ]);
  advance(HOUR);
  expect(told(messages).at(-1)).toEqual(['resolved a']);
  expect(messages).toHaveLength(8);
});

test('routes: the first child that matches, those after it where it continues, and whom a receiver serves', () => {
  const child = (receiver: string, matchers: string, more: Partial<Route> = {}): Route => {
    return { ...ROUTE, receiver, matchers: parseMatchers(matchers), ...more };
  };
  const root = {
    ...ROUTE,
    routes: [
      child('audit', 'severity=~".+"', { continue: true }),
      child('pager', 'severity="critical"', { routes: [child('db', 'team="db"')] }),
      child('mail', 'severity!=""'),
    ],
  };
  const receivers = (labels: Record<string, string>, serves = (_: string) => true) =>
    routing(root, serves)(labelsOf(labels)).map(({ route }) => route.receiver);
  expect(receivers({})).toEqual(['team']);
  expect(receivers({ severity: 'critical' })).toEqual(['audit', 'pager']);
  expect(receivers({ severity: 'critical', team: 'db' })).toEqual(['audit', 'db']);
  expect(receivers({ severity: 'info' })).toEqual(['audit', 'mail']);
  expect(receivers({ severity: 'critical' }, (name) => name === 'mail')).toEqual(['mail']);
  expect(receivers({ severity: 'critical' }, () => false)).toEqual([]);
});

test('inhibition: the same values of equal, not by itself, not both sides by both', () => {
  const named = (id: string, labels: Record<string, string>) => ({ fingerprint: id, labels: labelsOf(labels) });
  const { add, by } = inhibiting([
    {
      sourceMatchers: parseMatchers('severity="critical"'),
      targetMatchers: parseMatchers('severity=~"warning|critical"'),
      equal: ['ns'],
    },
  ])();
  for (const id of ['1', '2']) add(named(id, { severity: 'critical', ns: 'shop' }));
  expect(by(named('3', { severity: 'warning', ns: 'shop' }))).toEqual(['1', '2']);
  expect(by(named('4', { severity: 'warning', ns: 'media' }))).toEqual([]);
  expect(by(named('1', { severity: 'critical', ns: 'shop' }))).toEqual([]);
});

test('matchers are read as Alertmanager writes them', () => {
  expect(parseMatchers('{a="b", c=~"d|e" , "f g"!=h,}')).toEqual([
    { name: 'a', op: '=', value: 'b' },
    { name: 'c', op: '=~', value: 'd|e' },
    { name: 'f g', op: '!=', value: 'h' },
  ]);
  for (const wrong of ['a', 'a=="b"', 'a="b" c="d"', 'a=~"("']) expect(() => parseMatchers(wrong)).toThrow();
});

test('silences that cannot be meant are refused', () => {
  const right = { matchers: parseMatchers('a=b'), startsAt: 0, endsAt: 10, createdBy: 'me', comment: 'why' };
  expect(silenceFault(right, 5)).toBeUndefined();
  expect(silenceFault({ ...right, matchers: parseMatchers('a=~".*"') }, 5)).toMatch(/every alert/);
  expect(silenceFault({ ...right, matchers: [] }, 5)).toMatch(/matcher/);
  expect(silenceFault(right, 10)).toMatch(/future/);
  expect(silenceFault({ ...right, comment: ' ' }, 5)).toMatch(/comment/);
  expect([0, 9, 10].map((now) => silenceState({ startsAt: 5, endsAt: 10 }, now))).toEqual([
    'pending',
    'active',
    'expired',
  ]);
});

test("fingerprints are Alertmanager's", () => {
  // FNV-1a of nothing, as its authors publish it; the second was answered by Alertmanager 0.25.
  expect(fingerprintOf([])).toBe('cbf29ce484222325');
  expect(fingerprintOf(labelsOf({ severity: 'warning', namespace: 'shop', alertname: 'Demand' }))).toBe(
    'e5324a296498d433',
  );
});

const NAMES = ['a', 'b', 'c', 'd'];

test('laws: all is told in time, an end for what was told alone, nothing again without a reason', () => {
  const action = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('tell' as const), of: fc.constantFrom(...NAMES) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('end' as const), of: fc.constantFrom(...NAMES) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('silence' as const), of: fc.constantFrom(...NAMES) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: HOUR }) }) },
  );
  const route: Route = { ...ROUTE, repeatIntervalMs: 30 * MINUTE, groupBy: ['g'] };
  const groupOf = (of: string) => (NAMES.indexOf(of) < 2 ? '1' : '2');
  const rules = [{ sourceMatchers: parseMatchers('of=a'), targetMatchers: parseMatchers('of=b'), equal: [] }];
  for (const flapping of [NEVER, { starts: 2, withinMs: 40 * MINUTE, settleMs: 10 * MINUTE }]) {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 25 }), (actions) => {
        const here = world({ route, flapping, rules });
        const on = new Set<string>();
        const labels = (of: string) => ({ of, g: groupOf(of) });
        /** Since when each could have been told: it fires, and nothing keeps it back. */
        const since = new Map<string, number>();
        const watch = () => {
          for (const alert of here.state().alerts.values()) {
            const open = isFiring(alert, here.now(), flapping) && !here.isMuted(alert);
            if (!open) since.delete(alert.fingerprint);
            else if (!since.has(alert.fingerprint)) since.set(alert.fingerprint, here.now());
            else if (here.now() - since.get(alert.fingerprint)! > route.groupWaitMs + route.groupIntervalMs) {
              const [place] = here.placesOf(alert.labels);
              expect(here.state().groups.get(place!.key)?.told).toHaveProperty(alert.fingerprint);
            }
          }
        };
        for (const one of actions) {
          if (one.kind === 'tell') {
            on.add(one.of);
            here.tell(labels(one.of));
          } else if (one.kind === 'end') {
            on.delete(one.of);
            here.tell(labels(one.of), true);
          } else if (one.kind === 'silence') {
            const matchers = parseMatchers(`of=${one.of}`);
            const [startsAt, endsAt] = [here.now(), here.now() + 20 * MINUTE];
            here.silences.push({ id: 's', matchers, startsAt, endsAt, createdBy: '', comment: '', updatedAt: 0 });
          } else {
            for (let left = one.ms; left > 0; left -= MINUTE) {
              here.advance(
                Math.min(left, MINUTE),
                [...on].map((of) => labels(of)),
              );
              watch();
            }
          }
          watch();
        }
        here.advance(3 * HOUR);
        const { messages } = here;
        expect(new Set(messages.map(({ id }) => id)).size).toBe(messages.length);
        expect(here.state().groups.size).toBe(0);
        const open = new Map<string, string>();
        const last = new Map<string, Message>();
        for (const message of messages) {
          const news = message.alerts.filter(({ fingerprint, status, annotations }) => {
            const word = annotations['flapping'] === undefined ? 'firing' : 'flapping';
            const key = `${message.groupKey} ${fingerprint}`;
            const before = open.get(key);
            if (status === 'resolved') {
              expect(before).toBeDefined();
              open.delete(key);
              return true;
            }
            open.set(key, word);
            // Whoever was told that the group is over hears of what goes on in it.
            if (last.get(message.groupKey)?.status === 'resolved') return true;
            return before === undefined || (before === 'firing' && word === 'flapping');
          });
          const before = last.get(message.groupKey);
          if (news.length === 0) expect(message.at - before!.at).toBeGreaterThanOrEqual(route.repeatIntervalMs);
          last.set(message.groupKey, message);
        }
        expect([...open]).toEqual([]);
      }),
      { numRuns: 60 },
    );
  }
});

test('one that was held back while its group was told as resolved is told again once it is not', () => {
  const { tell, advance, messages, silences, now } = world();
  tell({ of: 'a' });
  tell({ of: 'b' });
  advance(MINUTE, [{ of: 'a' }, { of: 'b' }]);
  const common = { createdBy: 'me', comment: 'known', updatedAt: now() };
  const matchers = parseMatchers('of="b"');
  silences.push({ id: '1', ...common, matchers, startsAt: now(), endsAt: now() + HOUR });
  tell({ of: 'a' }, true);
  // The group is told as over: whoever was called may go home.
  advance(59 * MINUTE, [{ of: 'b' }]);
  expect(told(messages)).toEqual([['firing a', 'firing b'], ['resolved a']]);
  expect(messages[1]!.status).toBe('resolved');
  advance(7 * MINUTE, [{ of: 'b' }]);
  expect(told(messages).slice(2)).toEqual([['firing b']]);
});

test('a message is of so many alerts, and of so much, at most: the rest is counted', () => {
  const huge = { text: 'x'.repeat(30_000) };
  const { tell, advance, messages } = world({ route: { ...ROUTE, groupBy: [] } });
  for (let i = 0; i < 60; i++) tell({ of: String(i), ...huge });
  advance(MINUTE);
  expect(messages).toHaveLength(1);
  expect(messages[0]!.alerts.length).toBeLessThan(40);
  expect(messages[0]!.alerts.length + messages[0]!.truncatedAlerts).toBe(60);
  expect(messages[0]!.commonLabels).toEqual({ alertname: 'A', ...huge });
});

test('thousands of groups are told a piece after another, each once', () => {
  const now = DAY;
  const alerts = new Map(
    Array.from({ length: 1_200 }, (_, i) => {
      const labels = labelsOf({ of: String(i) });
      const fingerprint = fingerprintOf(labels);
      const told = { labels, annotations: {}, startsAt: 0, generatorUrl: '' };
      return [fingerprint, takeAlert(undefined, told, { fingerprint, now, flapping: NEVER })!] as const;
    }),
  );
  const plan: AlertingPlan = {
    ...{ tenant: 'acme', placesOf: routing({ ...ROUTE, groupBy: 'all' }, () => true), flapping: NEVER },
    ...{ inhibition: inhibiting([]), silencedBy: () => [] },
  };
  let state: AlertingState = { alerts, groups: new Map() };
  const of: (string | undefined)[] = [];
  for (const want of [500, 500, 200, 0]) {
    const next = step(state, plan, now);
    expect(next.messages).toHaveLength(want);
    expect(next.wakeAt <= now).toBe(next.messages.length === 500);
    of.push(...next.messages.map((message) => message.alerts[0]!.labels['of']));
    state = next.state;
  }
  expect(new Set(of).size).toBe(1_200);
});
