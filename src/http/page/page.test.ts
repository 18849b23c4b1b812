import { describe, expect, test } from 'vitest';
import { serve } from '../../testing/http-deps.ts';
import {
  sampleDecisions,
  sampleForecast,
  samplePicture,
  samplePlan,
  samplePolicy,
  sampleReplay,
  sampleWorkload,
} from '../../testing/sample-workloads.ts';
import type { HttpDeps, WorkloadView } from '../deps.ts';
import { html } from './html.ts';
import { amount, duration, localTime } from './words.ts';

const policy = samplePolicy('checkout');

async function pageOf(workload: Partial<WorkloadView> | undefined, changes: Partial<HttpDeps> = {}) {
  const server = await serve({
    workloads: async () => (workload === undefined ? [] : [sampleWorkload(policy, workload)]),
    picture: async () => samplePicture(),
    forecasts: async () => [{ demand: 'foresail_demand', forecast: sampleForecast() }],
    decisions: async () => sampleDecisions(policy),
    replay: async () => sampleReplay(),
    ...changes,
  });
  const response = await fetch(server.url);
  const text = await response.text();
  await server.close();
  return { response, text };
}

test('html escapes all but itself', () => {
  const attack = '<script>"&\'';
  expect(html`<b title="${attack}">${[attack, html`<i></i>`, null, false, 0]}</b>`.text).toBe(
    '<b title="&lt;script&gt;&quot;&amp;&#39;">&lt;script&gt;&quot;&amp;&#39;<i></i>0</b>',
  );
});

describe('the page', () => {
  test('shows demand, forecast, floor, replicas, decisions and the what-if table', async () => {
    const { response, text } = await pageOf({});
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    for (const part of ['class="demand"', 'class="band"', 'class="peak"', 'class="floor"', 'class="replicas"']) {
      expect(text).toContain(part);
    }
    expect(text).toContain('forecast in charge');
    expect(text).toContain('Demand may reach 1,480');
    expect(text).toContain('<th rowspan="4">shop/checkout</th>');
    // Berlin is two hours ahead of UTC: now is 12:00 there.
    expect(text).toContain('<time>12:00</time>');
    expect(text).not.toMatch(/NaN|undefined|\[object/);
  });

  test('a gap stays a gap', async () => {
    const { text } = await pageOf({});
    const path = /class="demand" d="([^"]*)"/.exec(text)![1]!;
    expect(path.match(/M/g)).toHaveLength(2);
    expect(text).toContain('demand: not known');
  });

  test('learning is said, not hidden', async () => {
    const { text } = await pageOf(
      { last: null },
      {
        forecasts: async () => [
          { demand: 'd', forecast: { kind: 'insufficient-history', haveMs: 3_600_000, needMs: 172_800_000 } },
        ],
        decisions: async () => [],
        replay: async () => undefined,
      },
    );
    expect(text).toContain('Learning: 1h of the 2d of history');
    expect(text).not.toContain('class="band"');
    expect(text).not.toContain('What if');
  });

  test('a forecast that is not trusted is said in red', async () => {
    const demotion = { code: 'ForecastStale', demand: 'd', ageMs: 1, maxAgeMs: 1 } as const;
    const { text } = await pageOf({
      last: { at: 0, plan: samplePlan(2, demotion), sentences: ['It is old.'] },
      troubles: ['kubectl <took> it back'],
    });
    expect(text).toContain('<span class="badge demoted">forecast not trusted</span>');
    expect(text).toContain('<p class="trouble">kubectl &lt;took&gt; it back</p>');
  });

  test('without policies it says how to begin', async () => {
    const { text } = await pageOf(undefined);
    expect(text).toContain('No policy yet');
  });

  test('names from elsewhere are escaped', async () => {
    const { text } = await pageOf(
      {},
      {
        status: async () => ({
          series: 0,
          samples: 0,
          cluster: '<img src=x onerror=alert(1)>',
          problems: ['"><script>'],
        }),
        decisions: async () => [{ ...sampleDecisions(policy)[0]!, sentences: ['<script>alert(1)</script>'] }],
      },
    );
    expect(text).not.toMatch(/<script|<img/);
  });

  test('empty pictures draw nothing and break nothing', async () => {
    const empty = { times: new Float64Array(), values: new Float64Array() };
    const { response, text } = await pageOf(
      { last: null, target: null, leadTimeMs: null },
      { picture: async () => ({ demand: empty, floor: empty, replicas: empty }), forecasts: async () => [] },
    );
    expect(response.status).toBe(200);
    expect(text).not.toMatch(/NaN|undefined|Infinity/);
  });
});

test.each([
  { value: 0, want: '0' },
  { value: 1234, want: '1234' },
  { value: 12_345, want: '12.3k' },
  { value: 0.012345, want: '0.0123' },
  { value: 2.5e6, want: '2.5M' },
  { value: Number.NaN, want: '–' },
])('amount($value)', ({ value, want }) => {
  expect(amount(value)).toBe(want);
});

test('duration() and localTime() read as people write them', () => {
  expect(duration(95_400)).toBe('1m35s');
  expect(duration(11 * 3_600_000 + 61_000)).toBe('11h1m');
  const now = Date.UTC(2026, 7, 3, 10);
  expect(localTime(now - 60_000, now, 'Europe/Berlin')).toBe('11:59');
  expect(localTime(now - 86_400_000, now, 'Europe/Berlin')).toBe('Sun 2 12:00');
});
