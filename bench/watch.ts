import { ALARM_DEFAULTS } from '../src/anomaly/alarm.ts';
import type { Watch } from '../src/loops/watch.ts';
import { openWatcher } from '../src/loops/watcher.ts';
import { type Labels, labelsOf } from '../src/model/labels.ts';
import { DEFAULT_TENANT } from '../src/model/tenant.ts';
import { DAY, MINUTE } from '../src/model/time.ts';

/**
 * `npx tsx bench/watch.ts [SERIES]`: what watching many series at 15 s takes: judging, alarms, what is written of each and
 * saving the state once a minute; without the query that answers their values, and without storing what is written.
 */

const count = Number(process.argv[2] ?? 100_000);
const STEP_MS = 15_000;
const LEARNT = 100;
const MEASURED = 20;
const START = Date.UTC(2026, 10, 1);

const watch: Watch = {
  ...{ tenant: DEFAULT_TENANT, key: 'query/many', name: 'many', query: 'many', stepMs: STEP_MS },
  ...{ historyMs: LEARNT * STEP_MS, labels: [], group: [], peers: false, timeZone: 'UTC', maxSeries: count },
  ...{ alarm: ALARM_DEFAULTS, demand: undefined },
};
const labels: readonly Labels[] = Array.from({ length: count }, (_, i) =>
  labelsOf({ __name__: 'many', pod: `pod-${i}`, namespace: `team-${i % 50}` }),
);
let written = 0;
let saved = 0;
const watcher = await openWatcher(watch, START, {
  states: {
    read: async () => undefined,
    async write(_key, _head, series) {
      for (const { bytes } of series) saved += bytes?.byteLength ?? 0;
    },
  },
  async evaluate(_watch, { start, end, stepMs }) {
    const times: number[] = [];
    for (let time = start; time <= end; time += stepMs) times.push(time);
    return labels.map((own, i) => ({
      labels: own,
      times: Float64Array.from(times),
      values: Float64Array.from(times, (time) => {
        const noise = Math.sin((time / 1000) * 12.9898 + i) * 43_758.5453;
        return 100 + 30 * Math.sin((time / DAY) * 2 * Math.PI + i) + 8 * (noise - Math.floor(noise));
      }),
    }));
  },
  contextOf: async () => ({ localOffsetMs: () => 0, forecastAt: () => undefined, isMuted: () => false }),
  async keep(_watch, series) {
    for (const { times } of series) written += times.length;
  },
  openOf: async () => [],
  skip: () => {},
});
const { signal } = new AbortController();
await watcher.pass(START, signal);
const before = process.cpuUsage();
const began = performance.now();
[written, saved] = [0, 0];
for (let i = 1; i <= MEASURED; i++) await watcher.pass(START + i * STEP_MS, signal);
const cpu = process.cpuUsage(before);
const seconds = (cpu.user + cpu.system) / 1e6;
const ofCore = seconds / ((MEASURED * STEP_MS) / 1000);
console.log(
  `${count} series, ${MEASURED} steps of 15 s: ${seconds.toFixed(1)} s of CPU (${((performance.now() - began) / 1000).toFixed(1)} s), ${(100 * ofCore).toFixed(0)} % of a core, with the making of the values; ${written} samples written, ${(saved / count / (MEASURED / (MINUTE / STEP_MS))).toFixed(0)} bytes of state a series and minute; ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB`,
);
