import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RateLimitedError } from '../model/rate-limited.ts';
import { parseTenant, type TenantId } from '../model/tenant.ts';
import { encodeWriteRequest } from '../wire/encode-write-request.ts';
import { appendByLabel } from './append-by-label.ts';
import { countItems } from './count-items.ts';
import { splitByLabel } from './split-by-label.ts';
import { type Sender, tenantOfSeries } from './tenant-of-series.ts';

const A = parseTenant('a');
const RULE = { label: 'tenant', keep: true, namespaces: undefined };

function seriesOf(labels: Record<string, string>, samples = 1) {
  const times = Array.from({ length: samples }, (_, i) => i);
  return { labels: Object.entries(labels), times, values: Float64Array.from(times) };
}

describe('splitByLabel()', () => {
  test('hands every byte of a series to its tenant, in the order sent', () => {
    const value = fc.constantFrom('', 'a', 'b', 'ü');
    fc.assert(
      fc.property(fc.array(fc.tuple(value, fc.nat(3), fc.boolean()), { maxLength: 20 }), (sent) => {
        const series = sent.map(([tenant, samples, first], i) => {
          const name = { __name__: `m${i}` };
          const label = tenant === '' ? {} : { tenant };
          return seriesOf(first ? { ...label, ...name } : { ...name, ...label }, samples);
        });
        const { groups, rest } = splitByLabel(encodeWriteRequest(series), '1.0', RULE);
        expect(rest).toHaveLength(0);
        for (const tenant of ['', 'a', 'b', 'ü']) {
          const own = series.filter((_, i) => sent[i]![0] === tenant);
          expect(groups.get(tenant) ?? new Uint8Array()).toEqual(encodeWriteRequest(own));
        }
      }),
    );
  });

  test('takes the label out where series do not keep it', () => {
    const bytes = encodeWriteRequest([seriesOf({ __name__: 'm', tenant: 'a', z: '1' }, 2)]);
    const { groups } = splitByLabel(bytes, '1.0', { label: 'tenant', keep: false });
    expect(groups.get('a')).toEqual(encodeWriteRequest([seriesOf({ __name__: 'm', z: '1' }, 2)]));
  });

  test('divides 2.0 with all of its symbols, and by references', () => {
    const symbols = ['', '__name__', 'm', 'tenant', 'a'].flatMap((text) => [0x22, text.length, ...Buffer.from(text)]);
    const series = (refs: number[]) => [0x2a, refs.length + 4, 0x0a, refs.length, ...refs, 0x12, 0];
    const bytes = Uint8Array.from([...symbols, ...series([1, 2, 3, 4]), ...series([1, 2])]);
    const kept = splitByLabel(bytes, '2.0', RULE).groups;
    expect([...kept.keys()]).toEqual(['a', '']);
    expect(kept.get('a')).toEqual(Uint8Array.from([...symbols, ...series([1, 2, 3, 4])]));
    expect(kept.get('')).toEqual(Uint8Array.from([...symbols, ...series([1, 2])]));
    const dropped = splitByLabel(bytes, '2.0', { label: 'tenant', keep: false }).groups;
    expect(dropped.get('a')).toEqual(Uint8Array.from([...symbols, ...series([1, 2])]));
  });

  test('refuses a table of symbols that would be copied for ever so many tenants', () => {
    const names = Array.from({ length: 100 }, (_, i) => `t${i + 10}`);
    const symbols = ['', 'tenant', ...names].flatMap((text) => [0x22, text.length, ...Buffer.from(text)]);
    const large = [0x22, 0x80, 0x80, 0x80, 0x02, ...new Uint8Array(4 << 20)];
    const series = names.flatMap((_, i) => [0x2a, 4, 0x0a, 2, 1, i + 2]);
    const bytes = Uint8Array.from(symbols.concat(series));
    expect(splitByLabel(bytes, '2.0', RULE).groups.size).toBe(100);
    const all = new Uint8Array(bytes.length + large.length);
    all.set(bytes);
    all.set(large, bytes.length);
    expect(() => splitByLabel(all, '2.0', RULE)).toThrow(/for each of 100 tenants are too many/);
  });

  test('refuses damaged bytes or divides them, and nothing else', () => {
    const bytes = encodeWriteRequest([seriesOf({ __name__: 'm', tenant: 'a' }, 2)]);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.constantFrom('1.0', '2.0'), (at, byte, protocol) => {
        const damaged = bytes.slice();
        damaged[at] = byte;
        try {
          splitByLabel(damaged, protocol as '1.0', { label: 'tenant', keep: false });
        } catch (error) {
          expect(error).toMatchObject({ name: 'WireError' });
        }
      }),
    );
  });
});

const BOUND: Sender = { tenant: A, anyTenant: false };
const NOBODY: Sender = { tenant: undefined, anyTenant: true };
const NAMESPACES = new Map([['shop', parseTenant('acme')]]);

test.each([
  { name: 'the value', value: 'b', sender: NOBODY, want: 'b' },
  { name: 'its own', value: 'a', sender: BOUND, want: 'a' },
  { name: 'no label, a sender with a tenant', value: '', sender: BOUND, want: 'a' },
  { name: 'no label, nobody', value: '', sender: NOBODY, want: 'missing_tenant_label' },
  { name: 'another than the credential', value: 'b', sender: BOUND, want: 'other_tenant' },
  { name: 'no tenant', value: 'a/b', sender: NOBODY, want: 'invalid_tenant_label' },
  { name: 'a namespace', value: 'shop', sender: NOBODY, namespaces: NAMESPACES, want: 'acme' },
  { name: 'a namespace of another', value: 'shop', sender: BOUND, namespaces: NAMESPACES, want: 'other_tenant' },
  { name: 'a namespace of nobody', value: 'x', sender: NOBODY, namespaces: NAMESPACES, want: 'invalid_tenant_label' },
])('tenantOfSeries() $name: $want', ({ value, sender, namespaces, want }) => {
  const whose = tenantOfSeries(value, { ...RULE, namespaces }, sender);
  expect(whose.kind === 'tenant' ? whose.tenant : whose.reason).toBe(want);
});

describe('appendByLabel()', () => {
  async function run(series: readonly ReturnType<typeof seriesOf>[], sender: Sender, full: readonly string[] = []) {
    const appended: [string, number][] = [];
    const dropped: [string, number][] = [];
    const intake = {
      take(tenant: TenantId) {
        if (!full.includes(tenant)) return;
        throw new RateLimitedError(`${tenant} is over`, {
          id: 'x',
          reason: 'rate_limited',
          waitMs: tenant.length * 1_000,
        });
      },
    };
    const append = async (tenant: TenantId, bytes: Uint8Array) => {
      const items = countItems(bytes);
      appended.push([tenant, items]);
      return { items, stored: items, refused: 0, deferred: 0, messages: [] };
    };
    const bytes = encodeWriteRequest(series, [{ metric: 'm', type: 'gauge', help: '', unit: '' }]);
    const onDropped = (reason: string, items: number) => void dropped.push([reason, items]);
    const result = appendByLabel(bytes, '1.0', { rule: RULE, sender, intake, append, onDropped });
    return { result: await result.catch((error: unknown) => error), appended, dropped };
  }
  const SENT = [
    seriesOf({ __name__: 'm', tenant: 'a' }, 2),
    seriesOf({ __name__: 'm', tenant: 'bb' }, 3),
    seriesOf({ __name__: 'm' }, 4),
  ];

  test('sends each series to its tenant, and metadata to that of the sender', async () => {
    const { result, appended, dropped } = await run(SENT, { tenant: A, anyTenant: true });
    expect(appended).toEqual([
      ['a', 2],
      ['bb', 3],
      ['a', 4],
      ['a', 1],
    ]);
    expect(result).toEqual({ items: 10, stored: 10, refused: 0, deferred: 0, messages: [] });
    expect(dropped).toEqual([]);
  });

  test('keeps a credential to its tenant, and stores the rest', async () => {
    const { result, appended, dropped } = await run(SENT, BOUND);
    expect(appended.map(([tenant]) => tenant)).toEqual(['a', 'a', 'a']);
    expect(dropped).toEqual([['other_tenant', 3]]);
    expect(result).toMatchObject({
      stored: 7,
      refused: 3,
      messages: [expect.stringContaining('err-foresail-other-tenant')],
    });
  });

  test('counts what names no tenant', async () => {
    const { result, dropped } = await run(SENT, NOBODY);
    expect(dropped).toEqual([
      ['missing_tenant_label', 4],
      ['metadata', 1],
    ]);
    expect(result).toMatchObject({ stored: 5, refused: 4 });
  });

  test('stores the others of a tenant that is over its rate, and then says so', async () => {
    const { result, appended } = await run(SENT, { tenant: A, anyTenant: true }, ['bb']);
    expect(appended.map(([tenant]) => tenant)).toEqual(['a', 'a', 'a']);
    expect(result).toMatchObject({ message: 'bb is over', retryAfterSeconds: 2 });
  });
});
