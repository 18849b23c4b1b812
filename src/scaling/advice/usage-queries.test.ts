import { expect, test } from 'vitest';
import { usageQueries } from './usage-queries.ts';

test.each([
  { kind: 'Deployment', name: 'web', own: 'web-7c5ddbdf54-x2x9p', other: 'web-api-7c5ddbdf54-x2x9p' },
  { kind: 'Deployment', name: 'web', own: 'web-5-zzzzz', other: 'web-0' },
  { kind: 'StatefulSet', name: 'db.main', own: 'db.main-12', other: 'dbxmain-1' },
  { kind: 'ReplicaSet', name: 'old', own: 'old-x2x9p', other: 'old-7c5ddbdf54-x2x9p' },
  { kind: 'Rollout', name: 'any', own: 'any-thing', other: 'many-thing' },
])('pods of the $kind $name by name', ({ kind, name, own, other }) => {
  const { cpu, memory } = usageQueries('shop', { kind, name });
  for (const query of [cpu, memory]) {
    expect(query).toContain('namespace="shop"');
    const [, text] = /pod=~"([^"]*)"/.exec(query)!;
    const matcher = new RegExp(`^(?:${JSON.parse(`"${text}"`)})$`);
    expect(own).toMatch(matcher);
    expect(other).not.toMatch(matcher);
  }
});
