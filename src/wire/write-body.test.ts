import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeLabels, labelsOf, METRIC_NAME } from '../model/labels.ts';
import { isStaleMarker, setStaleMarker } from '../model/series.ts';
import { PROPERTY_RUNS } from '../testing/property-runs.ts';
import {
  canonical,
  decode,
  encode,
  LIMITS,
  learn,
  memory,
  outgoing,
  PROTOCOLS,
  tables,
} from '../testing/write-bodies.ts';
import { encodeWriteRequest } from './encode-write-request.ts';
import { WireError } from './errors.ts';
import { WriteBody } from './write-body.ts';

describe.each(PROTOCOLS)('remote write %s', (protocol) => {
  test('reads what its encoder writes', () => {
    fc.assert(
      fc.property(fc.array(outgoing, { maxLength: 5 }), (series) => {
        const decoded = decode(encode(series, protocol), protocol);
        expect(decoded.labels).toEqual(series.map(({ labels }) => canonical(labels)));
        expect(decoded.times).toEqual(series.flatMap(({ times }) => Array.from(times)));
        expect(decoded.values).toEqual(series.flatMap(({ values }) => [...values]));
        if (protocol === '2.0') {
          expect(decoded.starts).toEqual(series.flatMap(({ starts }) => Array.from(starts!)));
        }
      }),
    );
  });

  test('makes the canonical bytes of sound labels, in whatever order they come', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
    const sound = fc.uniqueArray(fc.tuple(name, fc.string({ maxLength: 20 })), { selector: ([n]) => n, maxLength: 12 });
    fc.assert(
      fc.property(sound, (labels) => {
        const all = [...labels.filter(([n]) => n !== METRIC_NAME), [METRIC_NAME, 'm'] as const];
        const bytes = encode([{ labels: all, times: [1], values: Float64Array.of(1), starts: [0] }], protocol);
        using body = WriteBody.of(memory, bytes, protocol);
        const [series] = body.read(undefined, LIMITS).unseen;
        if (series!.canonical !== undefined) expect(series!.canonical).toEqual(encodeLabels(labelsOf(all)));
        else expect(all.some(([n]) => /[\ue000-\u{10ffff}]/u.test(n))).toBe(true);
      }),
    );
  });

  test('makes them of labels, too, that stand with them as one text twice', () => {
    const canonicalText = '\x08__name__\x01m';
    const name = `\0${canonicalText}${canonicalText}\x18`;
    const labels = [[name, ''] as const, [METRIC_NAME, 'm'] as const];
    const bytes = encode([{ labels, times: [1], values: Float64Array.of(1), starts: [0] }], protocol);
    using body = WriteBody.of(memory, bytes, protocol);
    const [series] = body.read(undefined, LIMITS).unseen;
    expect(new TextDecoder().decode(series!.canonical)).toBe(canonicalText);
  });

  test('keeps the bits of a staleness marker', () => {
    const values = new Float64Array(2);
    setStaleMarker(values, 1);
    const bytes = encode([{ labels: [['__name__', 'up']], times: [1, 2], values, starts: [0, 0] }], protocol);
    using body = WriteBody.of(memory, bytes, protocol);
    const part = body.read(undefined, LIMITS);
    expect([isStaleMarker(part.values, 0), isStaleMarker(part.values, 1)]).toEqual([false, true]);
  });

  test('knows what it learnt, in any order, and nothing else', () => {
    const unique = fc.uniqueArray(outgoing, {
      minLength: 1,
      maxLength: 8,
      selector: ({ labels }) => JSON.stringify(labels),
    });
    fc.assert(
      fc.property(unique, fc.infiniteStream(fc.nat()), (series, random) => {
        const labels = tables.of(`tenant ${protocol}`);
        const known = series.filter((_, i) => i % 3 !== 2);
        learn(encode(known, protocol), protocol, labels);
        const order = series.map((each) => ({ each, at: random.next().value })).sort((a, b) => a.at - b.at);
        const sent = [...series, ...order.map(({ each }) => each)];
        const { refs } = decode(encode(sent, protocol), protocol, labels);
        const expected = sent.flatMap((each) => {
          // A series without labels has nothing to be found by.
          const ref = each.labels.length === 0 ? 0 : known.indexOf(each) + 1;
          return Array.from(each.times, () => ref);
        });
        labels.clear();
        expect(refs).toEqual(expected);
      }),
    );
  });

  test('tells series apart whose hashes are equal', () => {
    const labels = tables.of(`many ${protocol}`);
    const requests = Array.from({ length: 40 }, (_, r) => {
      const series = Array.from({ length: 5_000 }, (_, i) => {
        return { labels: [['__name__', `m${r * 5_000 + i}`]] as const, times: [1], values: new Float64Array(1) };
      });
      return encode(series as never, protocol);
    });
    requests.forEach((bytes, r) => {
      using body = WriteBody.of(memory, bytes, protocol);
      let ref = r * 5_000 + 1;
      for (let next = 0; next < body.length; ) {
        const part = body.read(undefined, LIMITS, next);
        const all = part.unseen.map(({ key }) => ({ ...key!, ref: ref++, note: 0 }));
        if (protocol === '1.0') labels.learnBytes(body.address, all);
        else labels.learnSymbols(part.text, all);
        next = part.next;
      }
    });
    // Of 200,000 hashes of 32 bits, about five pairs are equal.
    const found = requests.flatMap((bytes) => decode(bytes, protocol, labels).refs);
    expect(found.every((ref, i) => ref === i + 1)).toBe(true);
    labels.clear();
  });

  test('takes references that the store has no more for unseen', () => {
    const labels = tables.of(`gone ${protocol}`);
    const series = ['a', 'b', 'c', 'd'].map((name) => {
      return { labels: [['__name__', name]] as const, times: [1], values: Float64Array.of(1), starts: [0] };
    });
    const bytes = encode(series, protocol);
    learn(bytes, protocol, labels);
    expect(decode(bytes, protocol, labels, Uint32Array.of(2, 4)).refs).toEqual([1, 0, 3, 0]);
    expect(decode(bytes, protocol, labels).refs).toEqual([1, 2, 3, 4]);
    labels.clear();
  });

  test('ends a part behind the series that fills it, and checks the rest before', () => {
    const series = ['a', 'b', 'c'].map((name) => {
      const values = new Float64Array(40_000).map((_, i) => i);
      return { labels: [['__name__', name]] as const, times: [...values], values, starts: [...values] };
    });
    const bytes = encode(series, protocol);
    const decoded = decode(bytes, protocol);
    expect([decoded.parts, decoded.times.length, decoded.labels.length]).toEqual([3, 120_000, 3]);
    expect(() => decode(bytes.subarray(0, bytes.length - 3), protocol)).toThrow(WireError);
    using body = WriteBody.of(memory, bytes.subarray(0, bytes.length - 3), protocol);
    expect(() => body.read(undefined, LIMITS)).toThrow(/byte/);
  });

  test('refuses more exemplars of one series than any sender has', () => {
    const exemplars = Array.from({ length: 16_385 }, (_, i) => ({ labels: [], value: i, time: i }));
    const series = (count: number) => {
      const of = { labels: [['__name__', 'a']] as const, times: [1], values: Float64Array.of(1), starts: [0] };
      return encode([{ ...of, exemplars: exemplars.slice(0, count) }], protocol);
    };
    expect(decode(series(16_384), protocol).attached).toHaveLength(16_384);
    expect(() => decode(series(16_385), protocol)).toThrow(/more than 16384 exemplars/);
  });

  test('counts series that carry nothing', () => {
    const series = ['a', 'b'].map((name) => {
      return { labels: [['__name__', name]] as const, times: [], values: new Float64Array(), starts: [] };
    });
    using body = WriteBody.of(memory, encode(series, protocol), protocol);
    expect(body.read(undefined, LIMITS).empties).toBe(2);
  });

  test('checks a long request in pieces, with the same result', () => {
    const series = Array.from({ length: 40_000 }, (_, i) => {
      return { labels: [['__name__', `a${i}`]] as const, times: [1], values: Float64Array.of(1), starts: [0] };
    });
    const bytes = encode(series as never, protocol);
    using sound = WriteBody.of(memory, bytes, protocol);
    let pieces = 1;
    while (!sound.check()) pieces++;
    expect([sound.isLong, pieces]).toEqual([true, Math.ceil(bytes.length / (1 << 20))]);
    using cut = WriteBody.of(memory, bytes.subarray(0, bytes.length - 3), protocol);
    expect(() => {
      while (!cut.check());
    }).toThrow(WireError);
  });

  test('decodes damaged bytes or refuses them, and nothing else', () => {
    const labels = tables.of(`damaged ${protocol}`);
    fc.assert(
      fc.property(
        fc.array(outgoing, { minLength: 1, maxLength: 4 }),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 5 }),
        fc.nat(),
        (all, edits, cut) => {
          const whole = encode(all, protocol);
          learn(whole, protocol, labels);
          const bytes = whole.slice(0, whole.length - (cut % 4 === 0 ? cut % whole.length : 0));
          for (const [at, byte] of edits) bytes[at % bytes.length] = byte;
          const [first, second] = [0x0a, 0xff].map((behind) => {
            try {
              return decode(bytes, protocol, labels, undefined, behind);
            } catch (error) {
              expect(error).toBeInstanceOf(WireError);
              expect((error as WireError).offset).toBeLessThanOrEqual(bytes.length);
              return error;
            }
          });
          expect(second).toEqual(first);
        },
      ),
      { numRuns: PROPERTY_RUNS },
    );
    labels.clear();
  });
});

describe('remote write 1.0', () => {
  /** `up` with one sample, written by hand: fields in any order, unknown ones between. */
  const NAME = [0x0a, 0x0e, 0x0a, 0x08, ...new TextEncoder().encode('__name__'), 0x12, 0x02, 0x75, 0x70];
  const LABEL_A = [0x0a, 0x06, 0x0a, 0x01, 0x61, 0x12, 0x01, 0x62];
  const ONE = [0, 0, 0, 0, 0, 0, 0xf0, 0x3f];
  const series = (...body: number[]) => [0x0a, body.length, ...body];

  test.each([
    { name: 'no timestamp is 0', body: series(...NAME, 0x12, 9, 0x09, ...ONE), times: [0], values: [1], labels: 1 },
    { name: 'no value is 0', body: series(...NAME, 0x12, 2, 0x10, 5), times: [5], values: [0], labels: 1 },
    {
      name: 'time before value',
      body: series(...NAME, 0x12, 11, 0x10, 5, 0x09, ...ONE),
      times: [5],
      values: [1],
      labels: 1,
    },
    { name: 'samples before labels', body: series(0x12, 2, 0x10, 5, ...NAME), times: [5], values: [0], labels: 1 },
    {
      name: 'labels around samples',
      body: series(...NAME, 0x12, 2, 0x10, 5, ...LABEL_A),
      times: [5],
      values: [0],
      labels: 2,
    },
    {
      name: 'unknown fields',
      body: [0x78, 1, ...series(0x7a, 1, 0, 0x7d, 1, 2, 3, 4, ...NAME, 0x12, 5, 0x7a, 1, 0, 0x10, 5)],
      times: [5],
      values: [0],
      labels: 1,
    },
    {
      name: 'a negative time in 10 bytes',
      body: series(...NAME, 0x12, 11, 0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
      times: [-1],
      values: [0],
      labels: 1,
    },
    { name: 'no samples at all', body: series(...NAME), times: [], values: [], labels: 1 },
  ])('reads $name', ({ body, times, values, labels }) => {
    const decoded = decode(Uint8Array.from(body), '1.0');
    expect(decoded.times).toEqual(times);
    expect(decoded.values).toEqual(values);
    expect(decoded.labels[0]?.length).toBe(labels);
  });

  test('does not take a series for the expected one whose labels it begins with, or goes on with later', () => {
    const labels = tables.of('expected');
    learn(Uint8Array.from(series(...NAME, 0x12, 2, 0x10, 5)), '1.0', labels);
    const requests = [series(...NAME, ...LABEL_A, 0x12, 2, 0x10, 5), series(...NAME, 0x12, 2, 0x10, 5, ...LABEL_A)];
    for (const request of requests) {
      expect(decode(Uint8Array.from(series(...NAME, 0x12, 2, 0x10, 5)), '1.0', labels).refs).toEqual([1]);
      expect(decode(Uint8Array.from(request), '1.0', labels).refs).toEqual([0]);
    }
    labels.clear();
  });

  test('reads metadata', () => {
    const metadata = [{ metric: 'up', type: 'gauge', help: 'Is it up?', unit: 'bool' }];
    expect(decode(encodeWriteRequest([], metadata), '1.0').metadata).toEqual(metadata);
  });

  test('marks labels that are not UTF-8', () => {
    const bad = series(0x0a, 6, 0x0a, 1, 0x61, 0x12, 1, 0xff, 0x12, 2, 0x10, 5);
    using body = WriteBody.of(memory, Uint8Array.from(bad), '1.0');
    expect(body.read(undefined, LIMITS).unseen[0]).toMatchObject({ invalidUtf8: true, canonical: undefined });
  });

  test.each([
    { name: 'a length past the end', body: [0x0a, 0x20, 0x0a], why: /length of 32 .* at byte 1/ },
    { name: 'a label past its series', body: [0x0a, 0x02, 0x0a, 0x05, 1, 2, 3, 4, 5], why: /length of 5/ },
    { name: 'a value cut short', body: [0x0a, 5, 0x12, 3, 0x09, 1, 2], why: /value is cut short/ },
    { name: 'a number cut short', body: [0x0a, 4, 0x12, 2, 0x10, 0xff], why: /cut short/ },
    { name: 'a number of 11 bytes', body: [0x78, ...Array(11).fill(0xff)], why: /more than 10 bytes/ },
    { name: 'field 0', body: [0x00], why: /field number 0/ },
    { name: 'a group', body: [0x7b], why: /wire type 3/ },
    { name: 'a histogram with half a bucket', body: series(...NAME, 0x22, 4, 0x6a, 2, 1, 2), why: /come out even/ },
    { name: 'an exemplar cut short', body: series(...NAME, 0x1a, 3, 0x0a, 5, 1), why: /length of 5/ },
  ])('refuses $name', ({ body, why }) => {
    const run = () => decode(Uint8Array.from(body), '1.0');
    expect(run).toThrow(WireError);
    expect(run).toThrow(why);
  });
});
