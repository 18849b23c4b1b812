import { labelsOf } from '../model/labels.ts';

/** Label sets of which every index of series selects the same ones. */
export const MATCHED = [
  { __name__: 'up', job: 'api', pod: 'a1' },
  { __name__: 'up', job: 'api', pod: 'a2' },
  { __name__: 'up', job: 'web' },
  { __name__: 'down', pod: 'a1' },
].map((labels) => labelsOf(labels));

/** Matchers, and the places of those in `MATCHED` that they take. */
export const MATCHER_CASES = [
  { name: 'everything', matchers: [], want: [0, 1, 2, 3] },
  { name: 'equal', matchers: [['job', '=', 'api']], want: [0, 1] },
  { name: 'equal to nothing there', matchers: [['job', '=', 'db']], want: [] },
  { name: 'an unknown label', matchers: [['zone', '=', 'x']], want: [] },
  { name: 'equal to empty: absent', matchers: [['job', '=', '']], want: [3] },
  { name: 'not empty: present', matchers: [['pod', '!=', '']], want: [0, 1, 3] },
  { name: 'not equal takes absent ones', matchers: [['job', '!=', 'api']], want: [2, 3] },
  { name: 'a pattern', matchers: [['pod', '=~', 'a[0-9]']], want: [0, 1, 3] },
  { name: 'a pattern matches whole values', matchers: [['pod', '=~', 'a']], want: [] },
  { name: 'a pattern that accepts empty takes absent ones', matchers: [['job', '=~', '|web']], want: [2, 3] },
  { name: 'not a pattern', matchers: [['pod', '!~', 'a1']], want: [1, 2] },
  {
    name: 'several',
    matchers: [
      ['__name__', '=', 'up'],
      ['pod', '!=', ''],
      ['pod', '!~', '.*2'],
    ],
    want: [0],
  },
  {
    name: 'one label twice',
    matchers: [
      ['pod', '=~', 'a.'],
      ['pod', '!=', 'a1'],
    ],
    want: [1],
  },
] as const;
