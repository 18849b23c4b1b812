import { expect, test } from 'vitest';
import type { MessageAlert } from '../alerting/message.ts';
import { MINUTE } from '../model/time.ts';
import { simClock } from '../testing/sim-clock.ts';
import { openForwarding } from './alert-forwarding.ts';

const ALERT: MessageAlert = {
  ...{ status: 'firing', labels: { alertname: 'A' }, annotations: {}, startsAt: 0, generatorUrl: '', fingerprint: '1' },
};

test('what goes wrong while alerts are told is counted, and they are told again', async () => {
  const clock = simClock(0);
  const stop = new AbortController();
  const faults: unknown[] = [];
  let attempts = 0;
  const { run } = openForwarding({
    ...{ clock, random: () => 1, alerts: async () => [ALERT], fault: (error) => faults.push(error) },
    async send() {
      if (++attempts === 1) throw new RangeError('cannot be written');
      return 'taken';
    },
  });
  const running = run(stop.signal);
  await clock.advance(MINUTE / 2);
  expect(attempts).toBe(2);
  expect(faults).toHaveLength(1);
  stop.abort();
  await running;
});
