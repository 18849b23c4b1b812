import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { ClassicLevel } from 'classic-level';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type RunningProgram, startingAt, startProgram } from '../program.ts';

/** Data folders as earlier releases left them, each with what is in it: `fixtures/make-data-folder.ts` makes them. */
const FIXTURES = join(import.meta.dirname, '..', 'fixtures');
const RELEASES = readdirSync(FIXTURES).filter((name) => existsSync(join(FIXTURES, name, 'contents.json')));

interface Contents {
  readonly policies: readonly string[];
  readonly decisions: readonly string[];
  /** Values are texts: JSON has no infinities and no minus zero. */
  readonly series: readonly { readonly labels: object; readonly samples: readonly (readonly [number, string])[] }[];
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'foresail-older-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function copyOf(release: string): string {
  const data = join(folder, 'data');
  cpSync(join(FIXTURES, release, 'folder'), data, { recursive: true });
  return data;
}

function contentsOf(release: string): Contents {
  return JSON.parse(readFileSync(join(FIXTURES, release, 'contents.json'), 'utf8'));
}

/** The time of the newest sample. */
function endOf({ series }: Contents): number {
  return Math.max(...series.flatMap(({ samples }) => samples.map(([t]) => t)));
}

/** The program at a time of its own: what it keeps for a while, such as decisions, is there however old a fixture is. */
async function startAt(data: string, now: number): Promise<RunningProgram> {
  return await startProgram(['--data', data], startingAt(now, folder));
}

async function answerOf({ url }: RunningProgram, path: string) {
  const response = await fetch(`${url}${path}`);
  const { data, ...rest } = (await response.json()) as { readonly data: unknown };
  expect({ status: response.status, rest }).toMatchObject({ status: 200 });
  return data;
}

const selectorOf = (labels: object) =>
  `{${Object.entries(labels)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(',')}}`;

async function samplesOf(server: RunningProgram, labels: object, end: number): Promise<unknown> {
  const query = new URLSearchParams({ query: `${selectorOf(labels)}[10d]`, time: String(end / 1000) });
  const { result } = (await answerOf(server, `/api/v1/query?${query}`)) as {
    readonly result: readonly { readonly metric: object; readonly values: readonly (readonly [number, string])[] }[];
  };
  return result.map(({ metric, values }) => ({
    labels: metric,
    samples: values.map(([t, value]) => [Math.round(t * 1000), Number(value.replace('Inf', 'Infinity'))]),
  }));
}

test('there is a data folder of this release', () => {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8'));
  expect(RELEASES).toContain(version);
});

describe.each(RELEASES)('the data folder of %s', (release) => {
  const contents = contentsOf(release);

  test('opens, and again once this release has written to it, with every sample, policy and decision', async () => {
    const data = copyOf(release);
    const end = endOf(contents);
    for (let start = 1; start <= 2; start++) {
      await using server = await startAt(data, end);
      expect(server.output()).not.toMatch(/damaged|is not whole|"level":50/);
      for (const { labels, samples } of contents.series) {
        const want = samples.map(([t, value]) => [t, Number(value)]);
        expect(await samplesOf(server, labels, end)).toEqual([{ labels, samples: want }]);
      }
      const policies = (await answerOf(server, '/api/v1/policies')) as {
        policy: { metadata: { namespace: string; name: string } };
      }[];
      expect(policies.map(({ policy: { metadata } }) => `${metadata.namespace}/${metadata.name}`)).toEqual(
        contents.policies,
      );
      const decisions = (await answerOf(server, '/api/v1/policies/shop/web/decisions?limit=1000')) as { id: string }[];
      expect(decisions.map(({ id }) => id)).toEqual(expect.arrayContaining([...contents.decisions]));
      for (const id of contents.decisions) await answerOf(server, `/api/v1/decisions/${id}`);
    }
  });
});

const REMEDY = /has format version 99 and this release reads version \d+; start the release that wrote it/;

test('a log of a later release is refused with what to do, and left as it is', async () => {
  const data = copyOf(RELEASES.at(-1)!);
  const [segment] = readdirSync(join(data, 'log'));
  const path = join(data, 'log', segment!);
  const bytes = readFileSync(path);
  bytes.writeUInt32LE(99, 8);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 12)), 12);
  writeFileSync(path, bytes);
  await expect(startAt(data, Date.now())).rejects.toThrow(REMEDY);
  expect(readFileSync(path)).toEqual(bytes);
});

test('a partition of a later release is answered with what to do, and the rest of the store is there', async () => {
  const data = copyOf(RELEASES.at(-1)!);
  const [partition] = readdirSync(join(data, 'partitions')).filter((name) => name.startsWith('raw-'));
  const level = new ClassicLevel<Uint8Array, Uint8Array>(join(data, 'partitions', partition!), {
    keyEncoding: 'view',
    valueEncoding: 'view',
  });
  await level.put(Uint8Array.of(0), Uint8Array.of(99), { sync: true });
  await level.close();
  await using server = await startAt(data, endOf(contentsOf(RELEASES.at(-1)!)));
  const noon = Date.parse(`${partition!.slice(4)}T12:00:00Z`) / 1000;
  const response = await fetch(
    `${server.url}/api/v1/query?${new URLSearchParams({ query: 'load[1h]', time: `${noon}` })}`,
  );
  expect(await response.json()).toMatchObject({ status: 'error', error: expect.stringMatching(REMEDY) });
  const later = new URLSearchParams({ query: 'count_over_time(load[1h])', time: `${noon + 2 * 86_400}` });
  expect(await answerOf(server, `/api/v1/query?${later}`)).toMatchObject({
    result: [{ value: [expect.any(Number), '2'] }],
  });
});
