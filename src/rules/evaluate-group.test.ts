import { expect, test } from 'vitest';
import { formatLabels, labelsOf } from '../model/labels.ts';
import { MINUTE } from '../model/time.ts';
import { evaluatorOver } from '../promql/run.ts';
import { evaluateGroup, type RuleMemory, type RuleWorld } from './evaluate-group.ts';
import { parseRuleFile, type RuleGroup } from './rule-file.ts';
import { openSeriesBook } from './series-book.ts';

/** A world whose series `input{n="…"}` are given, and what was written into it. */
function worldWith(values: Readonly<Record<string, readonly number[]>>) {
  const book = openSeriesBook();
  for (const [n, all] of Object.entries(values)) {
    for (const [minute, value] of all.entries())
      book.append(labelsOf({ __name__: 'input', n }), minute * MINUTE, value);
  }
  const written: string[] = [];
  const { instant } = evaluatorOver(book);
  const world: RuleWorld = {
    query: (expression, time) => instant(expression, time),
    externalLabels: new Map(),
    externalUrl: '',
    async write(samples) {
      return samples.map(({ labels, time, value }) => {
        const outcome = book.append(labels, time, value);
        written.push(`${formatLabels(labels)} ${value} @${time / MINUTE}`);
        return outcome === 'conflict' ? 'duplicate sample for timestamp' : undefined;
      });
    },
  };
  return { world, written };
}

function groupOf(...lines: readonly string[]): RuleGroup {
  const { groups, problems } = parseRuleFile(['groups:', '- name: g', ...lines.map((line) => `  ${line}`)].join('\n'));
  expect(problems).toEqual([]);
  return groups[0]!;
}

async function evaluate(group: RuleGroup, world: RuleWorld, minutes: number): Promise<readonly RuleMemory[]> {
  let memory: readonly RuleMemory[] = [];
  for (let minute = 0; minute < minutes; minute++) memory = await evaluateGroup(group, memory, minute * MINUTE, world);
  return memory;
}

test('a rule sees what the rule before it wrote', async () => {
  const { world, written } = worldWith({ a: [1] });
  await evaluate(groupOf('rules:', '- {record: b, expr: input + 1}', '- {record: c, expr: b * 10}'), world, 1);
  expect(written).toEqual(['b{n="a"} 2 @0', 'c{n="a"} 20 @0']);
});

test('a series that a rule no longer makes ends', async () => {
  const { world, written } = worldWith({ a: [5, 1], b: [5, 5] });
  await evaluate(groupOf('rules:', '- {record: c, expr: input > 2}'), world, 2);
  expect(written).toEqual(['c{n="a"} 5 @0', 'c{n="b"} 5 @0', 'c{n="b"} 5 @1', 'c{n="a"} stale @1']);
});

test('a query offset is when a rule looks, and the time of what it writes', async () => {
  const { world, written } = worldWith({ a: [1, 2, 3] });
  await evaluate(groupOf('query_offset: 1m', 'rules:', '- {record: b, expr: input}'), world, 3);
  expect(written).toEqual(['b{n="a"} 1 @0', 'b{n="a"} 2 @1']);
});

test('the offset of whoever evaluates is for groups that say none', async () => {
  const { world, written } = worldWith({ a: [1, 2] });
  await evaluate(groupOf('rules:', '- {record: b, expr: input}'), { ...world, queryOffsetMs: MINUTE }, 2);
  await evaluate(
    groupOf('query_offset: 0s', 'rules:', '- {record: c, expr: input}'),
    { ...world, queryOffsetMs: MINUTE },
    1,
  );
  expect(written).toEqual(['b{n="a"} 1 @0', 'c{n="a"} 1 @0']);
});

test('over its limit a recording rule writes nothing and ends nothing, and the next rule goes on', async () => {
  const { world, written } = worldWith({ a: [5, 5], b: [1, 5] });
  const group = groupOf('limit: 1', 'rules:', '- {record: c, expr: input > 2}', '- {record: d, expr: count(c)}');
  const [c, d] = await evaluate(group, world, 2);
  expect(c?.error).toBe('exceeded limit of 1 with 2 series');
  expect(d?.error).toBeUndefined();
  expect(written).toEqual(['c{n="a"} 5 @0', 'd 1 @0', 'd 1 @1']);
});

test('over its limit an alerting rule forgets its alerts', async () => {
  const { world } = worldWith({ a: [5, 5, 5], b: [1, 5, 1] });
  const group = groupOf('limit: 1', 'rules:', '- {alert: A, expr: input > 2, for: 1m}');
  expect((await evaluate(group, world, 1))[0]?.alerts.size).toBe(1);
  const [over] = await evaluate(group, world, 2);
  expect(over).toMatchObject({ error: 'exceeded limit of 1 with 2 alerts' });
  expect(over?.alerts.size).toBe(0);
  const [after] = await evaluate(group, world, 3);
  expect([...after!.alerts.values()]).toMatchObject([{ state: 'pending', activeAt: 2 * MINUTE }]);
});

test('a rule whose query fails keeps its alerts and its series', async () => {
  const { world, written } = worldWith({ a: [5, 5] });
  const group = groupOf('rules:', '- {alert: A, expr: input > 2}', '- {record: b, expr: input}');
  const before = await evaluate(group, world, 1);
  const broken = { ...world, query: () => Promise.reject(new Error('no')) };
  const after = await evaluateGroup(group, before, MINUTE, broken);
  expect(after.map(({ error }) => error)).toEqual(['no', 'no']);
  expect(after[0]?.alerts).toBe(before[0]?.alerts);
  expect(written).toHaveLength(3);
});

test('what was not stored is told, and is not ended later', async () => {
  const { world, written } = worldWith({ a: [5, 1] });
  const group = groupOf('rules:', '- {record: b, expr: 1}', '- {record: b, expr: input > 2, labels: {n: ""}}');
  const [, second] = await evaluate(group, world, 1);
  expect(second?.error).toBe('duplicate sample for timestamp');
  expect(second?.series.size).toBe(0);
  await evaluate(group, world, 2);
  expect(written.filter((line) => line.includes('stale'))).toEqual([]);
});

test('templates ask queries at the time of the evaluation', async () => {
  const { world } = worldWith({ a: [1, 2, 3] });
  const group = groupOf(
    'query_offset: 1m',
    'rules:',
    "- {alert: A, expr: input, labels: {before: '{{ $value }}'}, annotations: {now: '{{ query \"input\" | first | value }}'}}",
  );
  const [memory] = await evaluate(group, world, 3);
  const newest = [...memory!.alerts.values()].find(({ state }) => state === 'firing');
  expect(newest).toMatchObject({
    labels: labelsOf({ alertname: 'A', n: 'a', before: '2' }),
    annotations: labelsOf({ now: '3' }),
  });
});
