import { expect, test } from 'vitest';
import { enforceLabel } from './enforce-label.ts';

test.each([
  ['up', 'up{org="a"}'],
  ['{__name__=~"a|b"}', '{__name__=~"a|b",org="a"}'],
  ['sum by (x) (rate(up{x="1"}[5m])) / on (x) -up', 'sum by (x) (rate(up{x="1",org="a"}[5m])) / on (x) -up{org="a"}'],
  ['max_over_time(sum(up)[1h:1m] offset 1d)', 'max_over_time(sum(up{org="a"})[1h:1m] offset 1d)'],
  ['topk(scalar(k), up) + vector(1)', 'topk(scalar(k{org="a"}), up{org="a"}) + vector(1)'],
  ['up{org="b"}', 'up{org="b",org="a"}'],
  [
    'label_replace(up @ start(), "a", "$1", "b", "(.*)")',
    'label_replace(up{org="a"} @ start(), "a", "$1", "b", "(.*)")',
  ],
  ['1 + 1', '1 + 1'],
])('enforceLabel() puts it into every selector of %s', (query, want) => {
  expect(enforceLabel(query, ['org', 'a'])).toBe(want);
});

test.each(['info(up)', 'sum(info(up, {a="b"}))', 'up{'])('enforceLabel() refuses %s', (query) => {
  expect(() => enforceLabel(query, ['org', 'a'])).toThrow(expect.objectContaining({ name: 'QueryError' }));
});
