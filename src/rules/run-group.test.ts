import { expect, test } from 'vitest';
import { type Labels, labelsOf, labelValue } from '../model/labels.ts';
import { compileMatcher } from '../model/matcher.ts';
import { HOUR, MINUTE, SECOND } from '../model/time.ts';
import { evaluatorOver } from '../promql/run.ts';
import { simClock } from '../testing/sim-clock.ts';
import { carriedOver } from './carry-over.ts';
import type { RuleWorld } from './evaluate-group.ts';
import { RESTORE_LIMITS } from './restore.ts';
import { parseRuleFile } from './rule-file.ts';
import { type GroupRunDeps, type GroupStart, openGroupRun } from './run-group.ts';
import { openSeriesBook } from './series-book.ts';
import { alertsToTell } from './told.ts';

const START = 1_700_000_000_000;

const TEXT = `groups:
- name: g
  rules:
  - {record: 'load:sum', expr: sum(load)}
  - {alert: High, expr: load:sum > 10, for: 30m}
`;

const groupOf = (text = TEXT) => parseRuleFile(text).groups[0]!;

/** A store that outlives the runs over it. */
function store() {
  const clock = simClock(START);
  const book = openSeriesBook();
  const written: { readonly name: string; readonly time: number; readonly value: unknown }[] = [];
  const { instant } = evaluatorOver(book);
  let tookMs = 0;
  const world: RuleWorld = {
    query: async (expression, time) => {
      if (tookMs > 0) await clock.sleep(tookMs);
      return await instant(expression, time);
    },
    externalLabels: new Map(),
    externalUrl: '',
    async write(samples) {
      return samples.map(({ labels, time, value }) => {
        written.push({ name: nameOf(labels), time, value });
        return book.append(labels, time, value) === 'conflict' ? 'duplicate sample for timestamp' : undefined;
      });
    },
  };
  const iterations: { missed: number; slot: number }[] = [];
  const deps: GroupRunDeps = {
    clock,
    monotonic: clock.now,
    world,
    select: (matchers, range) => book.select(matchers, range),
    restoreLimits: RESTORE_LIMITS,
    intervalMs: MINUTE,
    acts: () => true,
    onIteration: ({ missed, slot }) => void iterations.push({ missed, slot }),
  };
  const start = (more: Partial<GroupStart> = {}, changes: Partial<GroupRunDeps> = {}) => {
    const run = openGroupRun({ file: 'f', group: groupOf(), restores: false, ...more }, { ...deps, ...changes });
    const stop = new AbortController();
    const ended = run.run(stop.signal);
    return {
      run,
      async stop() {
        stop.abort();
        await ended;
      },
    };
  };
  const load = (value: number) => book.append(labelsOf({ __name__: 'load' }), clock.now(), value);
  return { clock, world, written, iterations, start, load, slow: (ms: number) => (tookMs = ms) };
}

function nameOf(labels: Labels): string {
  return `${labelValue(labels, '__name__')}${compileMatcher({ name: 'alertstate', op: '!=', value: '' })(labelValue(labels, 'alertstate')) ? ` ${labelValue(labels, 'alertstate')}` : ''}`;
}

/** Minutes go by, with a sample of the load in each. */
async function minutes({ clock, load }: ReturnType<typeof store>, count: number, value: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    load(value);
    await clock.advance(MINUTE);
  }
}

const alertOf = (run: { state(): { rules: readonly { alerts: readonly { state: string; activeAt: number }[] }[] } }) =>
  run.state().rules[1]!.alerts[0];

test('a group is evaluated at its slots, one interval apart, and what it missed is counted', async () => {
  const world = store();
  const { stop } = world.start();
  await minutes(world, 5, 1);
  expect(world.iterations).toHaveLength(5);
  const [first] = world.iterations;
  expect(world.iterations.map(({ slot }) => (slot - first!.slot) / MINUTE)).toEqual([0, 1, 2, 3, 4]);
  world.slow(100 * SECOND);
  await minutes(world, 12, 1);
  world.slow(0);
  await minutes(world, 5, 1);
  await stop();
  const missed = world.iterations.reduce((sum, one) => sum + one.missed, 0);
  expect(missed).toBeGreaterThan(5);
  const last = world.iterations.at(-1)!;
  expect((last.slot - first!.slot) / MINUTE + 1).toBe(world.iterations.length + missed);
});

test('after a restart an alert that fired fires again as the same one, and writes nothing before it is restored', async () => {
  const world = store();
  const before = world.start();
  await minutes(world, 60, 20);
  const fired = alertOf(before.run)!;
  expect(fired.state).toBe('firing');
  await before.stop();
  await world.clock.advance(10 * MINUTE);
  const from = world.written.length;
  const after = world.start({ restores: true });
  await minutes(world, 2, 20);
  expect(world.written.slice(from).map(({ name }) => name)).toEqual(['load:sum', 'load:sum']);
  await minutes(world, 1, 20);
  // What is stored has whole seconds.
  expect(alertOf(after.run)).toMatchObject({ state: 'firing', activeAt: Math.floor(fired.activeAt / 1000) * 1000 });
  expect(world.written.slice(from).map(({ name }) => name)).toContain('ALERTS firing');
  await after.stop();
});

test('an alert that was pending has waited for as long as it had, the outage left out', async () => {
  const world = store();
  const before = world.start();
  await minutes(world, 6, 20);
  const { activeAt } = alertOf(before.run)!;
  await before.stop();
  await world.clock.advance(20 * MINUTE);
  const after = world.start({ restores: true });
  await minutes(world, 3, 20);
  const restored = alertOf(after.run)!;
  expect(restored.state).toBe('pending');
  // It was down from its last evaluation to its second new one.
  expect((restored.activeAt - activeAt) / MINUTE).toBeCloseTo(22, 1);
  await after.stop();
});

test('after more than an hour it begins anew', async () => {
  const world = store();
  const before = world.start();
  await minutes(world, 60, 20);
  await before.stop();
  await world.clock.advance(HOUR + 5 * MINUTE);
  const after = world.start({ restores: true });
  const now = world.clock.now();
  await minutes(world, 3, 20);
  expect(alertOf(after.run)!.activeAt).toBeGreaterThan(now);
  await after.stop();
});

test('a changed group goes on with the alerts of its rules, and ends the series of those that are gone', async () => {
  const world = store();
  const before = world.start();
  await minutes(world, 40, 20);
  const { activeAt } = alertOf(before.run)!;
  await before.stop();
  const group = groupOf(
    TEXT.replace("record: 'load:sum'", "record: 'load:total'").replace('load:sum > 10', 'load:total > 5'),
  );
  const carried = carriedOver({ group: before.run.group, memory: before.run.memory() }, group);
  const after = world.start({ group, carried });
  await minutes(world, 2, 20);
  expect(alertOf(after.run)).toMatchObject({ state: 'firing', activeAt });
  expect(world.written.filter(({ name, value }) => name === 'load:sum' && value === 'stale')).toHaveLength(1);
  await after.stop();
  await after.run.end();
  const ended = world.written.filter(({ value }) => value === 'stale').map(({ name }) => name);
  expect(ended).toEqual(['ALERTS pending', 'load:sum', 'ALERTS firing', 'ALERTS_FOR_STATE', 'load:total']);
});

test('a group that another replica evaluates says nothing, and is restored when it comes back', async () => {
  const world = store();
  let acts = true;
  const one = world.start({}, { acts: () => acts });
  await minutes(world, 40, 20);
  const fired = alertOf(one.run)!;
  acts = false;
  await minutes(world, 3, 20);
  expect(alertOf(one.run)).toBeUndefined();
  acts = true;
  await minutes(world, 4, 20);
  expect(alertOf(one.run)).toMatchObject({ state: 'firing', activeAt: Math.floor(fired.activeAt / 1000) * 1000 });
  await one.stop();
});

test('a rule whose query fails keeps its alerts, and tells them no more after four intervals, as Prometheus', async () => {
  const world = store();
  let fails = false;
  const { run, stop } = world.start(
    {},
    {
      world: {
        ...world.world,
        query: (expression, time) => {
          if (fails && expression.includes('>')) throw new Error('found duplicate series');
          return world.world.query(expression, time);
        },
      },
    },
  );
  const told = () => alertsToTell(run.state().rules[1]!, MINUTE, world.clock.now());
  await minutes(world, 40, 20);
  const [before] = told();
  expect(before!.alert.state).toBe('firing');
  expect(before!.endsAt - world.clock.now()).toBeGreaterThan(3 * MINUTE);
  expect(before!.endsAt - world.clock.now()).toBeLessThanOrEqual(4 * MINUTE);
  fails = true;
  await minutes(world, 3, 20);
  // Nobody believes it for longer than was said.
  expect(told()).toMatchObject([{ endsAt: before!.endsAt }]);
  await minutes(world, 2, 20);
  expect(told()).toEqual([]);
  expect(run.state().rules[1]).toMatchObject({ health: 'err', alerts: [{ state: 'firing' }] });
  fails = false;
  await minutes(world, 2, 20);
  expect(told()).toMatchObject([{ alert: { state: 'firing', activeAt: before!.alert.activeAt } }]);
  await stop();
});

test('a group that is changed before its alerts were restored is restored as it is now', async () => {
  const world = store();
  const before = world.start();
  await minutes(world, 60, 20);
  const { activeAt } = alertOf(before.run)!;
  await before.stop();
  await world.clock.advance(5 * MINUTE);
  const first = world.start({ restores: true });
  await minutes(world, 1, 20);
  await first.stop();
  expect(first.run.isRestored()).toBe(false);
  const group = groupOf(TEXT.replace('load:sum > 10', 'load:sum > 5'));
  const carried = carriedOver({ group: first.run.group, memory: first.run.memory() }, group);
  const changed = world.start({ group, carried, restores: !first.run.isRestored() });
  await minutes(world, 3, 20);
  expect(alertOf(changed.run)).toMatchObject({ state: 'firing', activeAt: Math.floor(activeAt / 1000) * 1000 });
  await changed.stop();
});

test('series that a group before it left are ended by the group after it', async () => {
  const world = store();
  const before = world.start();
  await minutes(world, 3, 1);
  await before.stop();
  const other = groupOf(TEXT.replace("record: 'load:sum'", "record: 'load:other'"));
  const carried = carriedOver({ group: before.run.group, memory: before.run.memory() }, other);
  // Changed back before it was evaluated.
  const between = world.start({ group: other, carried });
  await between.stop();
  const last = groupOf(TEXT.replace("record: 'load:sum'", "record: 'load:last'"));
  const { memory, unended } = between.run;
  const after = world.start({
    group: last,
    carried: carriedOver({ group: other, memory: memory(), unended: unended() }, last),
  });
  await minutes(world, 2, 1);
  expect(world.written.filter(({ name, value }) => name === 'load:sum' && value === 'stale')).toHaveLength(1);
  await after.stop();
});
