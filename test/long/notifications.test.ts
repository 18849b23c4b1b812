import { expect, test } from 'vitest';
import { generator } from '../kills/kill-load.ts';
import { killWhileTelling } from '../kills/notification-kills.ts';

test('kill -9 at any moment loses no message, and repeats none under another key', async () => {
  const { alerts, messages } = await killWhileTelling(8, generator(8));
  expect(alerts).toBeGreaterThan(0);
  expect(messages).toBeGreaterThan(alerts);
});
