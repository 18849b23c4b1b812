import { availableParallelism } from 'node:os';
import { expect, test } from 'vitest';
import { coresHere } from './cores.ts';

test.each([
  { name: 'no limit', text: 'max 100000\n', want: availableParallelism() },
  { name: 'no cgroup', text: '', want: availableParallelism() },
  { name: 'nonsense', text: 'a b', want: availableParallelism() },
  { name: 'half a core', text: '50000 100000\n', want: 0.5 },
  { name: 'a thousand cores', text: '100000000 100000\n', want: availableParallelism() },
])('coresHere() with $name', ({ text, want }) => {
  expect(coresHere(() => text)).toBe(want);
});
