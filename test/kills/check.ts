import type { ServeProcess } from '../serve-process.ts';
import { BLOCK, matcherOf, namesOf, SERIES, type Stream, samplesOf, sentValue } from './streams.ts';

/** What a store must have of a stream: all of it, or what it had when a snapshot was asked for. */
export interface Expected {
  /** Blocks that were acknowledged. */
  readonly acknowledged: ReadonlySet<number>;
  /** Blocks whose deletion was acknowledged, and those whose deletion may have begun. */
  readonly deleted: ReadonlySet<number>;
  readonly doomed: ReadonlySet<number>;
}

/**
 * Every acknowledged sample is there but those that were deleted, and every sample that is there was sent.
 * @returns How many samples had to be there.
 */
export async function check(stream: Stream, server: ServeProcess, expected: Expected = stream): Promise<number> {
  const { acknowledged, deleted, doomed } = expected;
  const stored = await readAll(stream, server);
  const known = new Map<string, Map<number, number>>();
  let wanted = 0;
  for (let block = 0; block < stream.next; block++) {
    namesOf(stream, block).forEach((name, i) => {
      const samples = known.get(name) ?? new Map<number, number>();
      known.set(name, samples);
      for (const k of samplesOf(stream, block)) {
        const value = sentValue(stream, i, k);
        samples.set(stream.start + k, value);
        const found = stored.get(name)?.get(stream.start + k);
        if (deleted.has(block) && found !== undefined) {
          throw new Error(`${name}: sample ${k} was deleted, and there is ${found}`);
        }
        if (!acknowledged.has(block) || doomed.has(block)) continue;
        wanted++;
        if (found !== value) {
          throw new Error(`${name}: sample ${k} was acknowledged as ${value}, and there is ${found}`);
        }
      }
    });
  }
  for (const [name, samples] of stored) {
    for (const [time, value] of samples) {
      if (known.get(name)?.get(time) !== value) throw new Error(`${name}: nobody sent ${value} at ${time} ms`);
    }
  }
  return wanted;
}

/** Most samples that a query of one stream may answer. */
const BLOCKS_OF_A_QUERY = Math.floor(1_000_000 / (BLOCK * SERIES));
const AGE = '80h';

/** Reads all series of a stream whole, through PromQL. */
async function readAll(stream: Stream, { url }: ServeProcess): Promise<Map<string, Map<number, number>>> {
  if (stream.next > BLOCKS_OF_A_QUERY) throw new Error(`${stream.kind}: too much was sent to read it back at once`);
  const query = `${matcherOf(stream)}[${AGE}]`;
  const body = new URLSearchParams({ query, time: String(Date.now() / 1000) });
  const response = await fetch(`${url}/api/v1/query`, { method: 'POST', body });
  const { data, error } = (await response.json()) as QueryAnswer;
  if (data === undefined) throw new Error(`cannot read ${stream.kind} back: ${error}`);
  return new Map(
    data.result.map(({ metric, values }) => [
      metric['__name__']!,
      new Map(values.map(([seconds, value]) => [Math.round(seconds * 1000), Number(value)])),
    ]),
  );
}

interface QueryAnswer {
  readonly error?: string;
  readonly data?: {
    readonly result: readonly {
      readonly metric: Readonly<Record<string, string>>;
      readonly values: readonly (readonly [number, string])[];
    }[];
  };
}
