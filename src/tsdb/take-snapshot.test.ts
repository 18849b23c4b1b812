import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { formatLabels, labelsOf } from '../model/labels.ts';
import { decodeSamples } from '../model/series.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { appendSeries } from '../storage/append-series.ts';
import { nodeDisk } from './disk.ts';
import {
  DamagedSnapshotError,
  FolderNotEmptyError,
  RestoreUnfinishedError,
  SnapshotRunningError,
  StorageFormatError,
} from './errors.ts';
import { openTsdb, type Tsdb } from './open-tsdb.ts';
import { checkSnapshot, restoreSnapshot } from './restore-snapshot.ts';
import { formatManifest, readManifest } from './snapshot-manifest.ts';

const START = Date.parse('2026-08-03T10:00:00Z');
const ALL = { start: START - 30 * DAY, end: START + DAY };

let root: string;
let now: number;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'foresail-snapshot-'));
  now = START;
});
afterEach(() => rm(root, { recursive: true }));

const open = (dir: string) => openTsdb({ dir: join(root, dir), clock: { now: () => now }, release: '1.2.3' });
const folderOf = (name: string) => join(root, 'data', 'snapshots', name);
const bytesOf = (text: string) => new TextEncoder().encode(text);

function runOf(name: string, from: number, count = 3) {
  const times = Float64Array.from({ length: count }, (_, i) => from + i * MINUTE);
  return { labels: labelsOf({ __name__: name }), times, values: times.map((time) => (time - START) / MINUTE) };
}

/** A store with something in every place: the log, a snapshot of it, partitions, small state, a network. */
async function fill(tsdb: Tsdb): Promise<void> {
  const tenant = tsdb.storage.tenant(DEFAULT_TENANT);
  now += 10 * HOUR;
  await appendSeries(tenant, [runOf('moved', START, 200)]);
  await tenant.backfill([runOf('imported', START - 3 * DAY)]);
  await tsdb.maintain(now);
  await appendSeries(tenant, [runOf('in_snapshot', now)]);
  await tsdb.checkpoint();
  await appendSeries(tenant, [runOf('in_log', now)]);
  await tsdb.keyValue.write([{ key: 'decision/1', value: bytesOf('yes') }]);
  const versions = join(root, 'data', 'models', 'default', 'versions', 'v1');
  await mkdir(versions, { recursive: true });
  await writeFile(join(versions, 'model.json'), '{}');
  await writeFile(join(root, 'data', 'models', 'default', 'current'), 'v1\n');
  await mkdir(join(root, 'data', 'models', 'default', 'versions', '.v2'));
}

async function contentsOf(tsdb: Tsdb): Promise<Record<string, number>> {
  const found = await tsdb.storage.tenant(DEFAULT_TENANT).select([], ALL);
  return Object.fromEntries(
    found.map(({ labels, chunks }) => [formatLabels(labels), decodeSamples(chunks, ALL).times.length]),
  );
}

const FILLED = { moved: 200, imported: 3, in_snapshot: 3, in_log: 3 };

describe('takeSnapshot()', () => {
  test('has all that the store has, and nothing that came later', async () => {
    let name: string;
    {
      await using tsdb = await open('data');
      await fill(tsdb);
      ({ name } = await tsdb.takeSnapshot());
      expect(name).toMatch(/^20260803T200000Z-[0-9a-f]{16}$/);
      await appendSeries(tsdb.storage.tenant(DEFAULT_TENANT), [runOf('later', now)]);
      await tsdb.keyValue.write([{ key: 'decision/2', value: bytesOf('no') }]);
      now += 10 * HOUR;
      await tsdb.maintain(now);
      await tsdb.deleteSeries(DEFAULT_TENANT, [[{ name: '__name__', op: '=~', value: '.+' }]], ALL);
      expect(await contentsOf(tsdb)).toEqual({});
    }
    const told: number[] = [];
    const { release, files } = await restoreSnapshot(join(root, 'restored'), {
      snapshot: folderOf(name),
      onBytes: (done, total) => void told.push(done / total),
    });
    expect(release).toBe('1.2.3');
    expect(told.at(-1)).toBe(1);
    expect(new Set(files.map(({ path }) => path.split('/')[0]))).toEqual(
      new Set(['log', 'partitions', 'state', 'models']),
    );
    await using tsdb = await open('restored');
    expect(await contentsOf(tsdb)).toEqual(FILLED);
    expect(tsdb.stats().recovery).toMatchObject({ tornBytes: 0, damagedBytes: 0, notes: [] });
    expect([...(await tsdb.keyValue.read('decision/1'))!]).toEqual([...bytesOf('yes')]);
    expect(await tsdb.keyValue.read('decision/2')).toBeUndefined();
    expect(await readFile(join(root, 'restored', 'models', 'default', 'current'), 'utf8')).toBe('v1\n');
    expect(await readdir(join(root, 'restored', 'models', 'default', 'versions'))).toEqual(['v1']);
    await appendSeries(tsdb.storage.tenant(DEFAULT_TENANT), [runOf('in_log', now)]);
    expect(await contentsOf(tsdb)).toEqual({ ...FILLED, in_log: 6 });
  });

  test('is taken while samples come, are moved and deleted', async () => {
    let last = 0;
    let acknowledged = 0;
    let name: string;
    {
      await using tsdb = await open('data');
      const tenant = tsdb.storage.tenant(DEFAULT_TENANT);
      const writing = (async () => {
        for (; last < 400; last++) {
          await appendSeries(tenant, [runOf('busy', START + last * MINUTE, 1), runOf(`gone_${last}`, now, 1)]);
          if (last % 100 === 50) await tsdb.maintain(now + last * MINUTE);
          if (last === 60)
            await tsdb.deleteSeries(DEFAULT_TENANT, [[{ name: '__name__', op: '=~', value: 'gone_.' }]], ALL);
          now = START + last * MINUTE;
        }
      })();
      while (last < 70) await new Promise((resolve) => setImmediate(resolve));
      acknowledged = last;
      ({ name } = await tsdb.takeSnapshot());
      await writing;
    }
    await restoreSnapshot(join(root, 'restored'), { snapshot: folderOf(name) });
    await using tsdb = await open('restored');
    const found = await contentsOf(tsdb);
    expect(found['busy']).toBeGreaterThanOrEqual(acknowledged);
    for (let i = 10; i < acknowledged; i++) expect(found[`gone_${i}`]).toBe(1);
    for (let i = 0; i < 10; i++) expect(found[`gone_${i}`]).toBeUndefined();
  });

  test('is taken one at a time', async () => {
    await using tsdb = await open('data');
    const first = tsdb.takeSnapshot();
    await expect(tsdb.takeSnapshot()).rejects.toThrow(SnapshotRunningError);
    expect(await tsdb.snapshotState()).toMatchObject({
      running: { name: expect.stringMatching(/^2026/), summedBytes: 0 },
    });
    const { name } = await first;
    expect(await tsdb.snapshotState()).toEqual({ last: { name } });
    await tsdb.takeSnapshot();
    expect(await readdir(folderOf(''))).toHaveLength(2);
  });

  test('leaves nothing where it cannot be written, and nothing of one that was cut off', async () => {
    {
      await using tsdb = await open('data');
      // What has its place already cannot be copied there.
      await writeFile(join(root, 'data', 'models'), 'a file where a folder should be');
      await expect(tsdb.takeSnapshot()).rejects.toThrow(/^cannot take a snapshot: ENOTDIR/);
      expect(await tsdb.snapshotState()).toMatchObject({ last: { error: expect.stringMatching(/ENOTDIR/) } });
      expect(await readdir(folderOf(''))).toEqual([]);
      await mkdir(join(folderOf('half.unfinished'), 'log'), { recursive: true });
      await rm(join(root, 'data', 'models'));
    }
    await using tsdb = await open('data');
    expect(await readdir(folderOf(''))).toEqual([]);
    await tsdb.takeSnapshot();
  });
});

describe('restoreSnapshot()', () => {
  const restored = () => join(root, 'restored');

  async function taken(): Promise<string> {
    await using tsdb = await open('data');
    await fill(tsdb);
    return folderOf((await tsdb.takeSnapshot()).name);
  }

  test('refuses a snapshot with any file gone, changed, grown or cut, and leaves the folder empty', async () => {
    const snapshot = await taken();
    const { files } = await readManifest(snapshot);
    expect(files.length).toBeGreaterThan(10);
    for (const path of [...files.map((file) => file.path), 'manifest.json']) {
      const file = join(snapshot, path);
      const bytes = await readFile(file);
      const flipped = bytes.map((byte, i) => (i === bytes.length >> 1 ? byte ^ 1 : byte));
      // Nothing can be changed in an empty file, and a manifest may end with what it likes.
      const damages = [undefined, ...(bytes.length > 0 ? [flipped] : [])];
      if (path !== 'manifest.json') damages.push(Buffer.concat([bytes, bytes.subarray(0, 1), Buffer.from('x')]));
      if (path !== 'manifest.json' && bytes.length > 0) damages.push(bytes.subarray(0, -1));
      for (const damaged of damages) {
        await rm(file, { force: true });
        if (damaged !== undefined) await writeFile(file, damaged);
        const says = expect.objectContaining({ message: expect.stringContaining(path) });
        await expect(checkSnapshot({ snapshot })).rejects.toEqual(says);
      }
      await expect(restoreSnapshot(restored(), { snapshot })).rejects.toThrow(DamagedSnapshotError);
      expect(await readdir(restored()).catch(() => [])).toEqual([]);
      await rm(file, { force: true });
      await writeFile(file, bytes);
    }
    expect((await checkSnapshot({ snapshot })).files).toEqual(files);
  });

  test('refuses what is no snapshot, and one of a form that it does not know', async () => {
    await expect(checkSnapshot({ snapshot: root })).rejects.toThrow(/manifest\.json cannot be read \(ENOENT\)/);
    const write = async (manifest: object) =>
      await writeFile(join(root, 'manifest.json'), formatManifest(manifest as never));
    await write({ format: 2, release: '9', takenAt: 0, files: [] });
    await expect(checkSnapshot({ snapshot: root })).rejects.toThrow(StorageFormatError);
    await write({ format: 1, release: '9', takenAt: 0, files: [{ path: '../x', bytes: 0, sha256: '' }] });
    await expect(checkSnapshot({ snapshot: root })).rejects.toThrow(/names \.\.\/x/);
  });

  test.each([
    { name: 'null', text: 'null' },
    { name: 'a number', text: '3' },
    { name: 'a list', text: '[]' },
    { name: 'nothing in it', text: formatManifest({} as never) },
    { name: 'no list of files', text: formatManifest({ format: 1, release: '9', takenAt: 0 } as never) },
    {
      name: 'files without a path',
      text: formatManifest({ format: 1, release: '9', takenAt: 0, files: [{}] } as never),
    },
    {
      name: 'files that are null',
      text: formatManifest({ format: 1, release: '9', takenAt: 0, files: [null] } as never),
    },
    {
      name: 'a file of no length',
      text: formatManifest({ format: 1, release: '9', takenAt: 0, files: [{ path: 'x', sha256: '' }] } as never),
    },
  ])('refuses a manifest that is JSON and no manifest: $name', async ({ text }) => {
    await writeFile(join(root, 'manifest.json'), text);
    await expect(checkSnapshot({ snapshot: root })).rejects.toThrow(DamagedSnapshotError);
  });

  test('refuses a folder with anything in it, but what a new file system has', async () => {
    const snapshot = await taken();
    await mkdir(join(restored(), 'lost+found'), { recursive: true });
    await writeFile(join(restored(), 'x'), '');
    await expect(restoreSnapshot(restored(), { snapshot })).rejects.toThrow(FolderNotEmptyError);
    expect((await readdir(restored())).sort()).toEqual(['lost+found', 'x']);
    await rm(join(restored(), 'x'));
    await restoreSnapshot(restored(), { snapshot });
    await expect(restoreSnapshot(restored(), { snapshot })).rejects.toThrow(FolderNotEmptyError);
    await using _tsdb = await open('restored');
  });

  test('leaves alone what is in a folder that it could not look into', async () => {
    const snapshot = await taken();
    await mkdir(restored());
    await writeFile(join(restored(), 'x'), '');
    const failing = vi.spyOn(nodeDisk, 'ensureFolder').mockRejectedValueOnce(new Error('input/output error'));
    await expect(restoreSnapshot(restored(), { snapshot })).rejects.toMatchObject({ code: 'storage_unusable' });
    failing.mockRestore();
    expect(await readdir(restored())).toEqual(['x']);
  });

  test('begins anew after one that was cut off, whose folder no server opens', async () => {
    const snapshot = await taken();
    await mkdir(join(restored(), 'log'), { recursive: true });
    await writeFile(join(restored(), 'log', '00000001.log'), 'half of');
    await writeFile(join(restored(), 'restore-unfinished'), '');
    await expect(open('restored')).rejects.toThrow(RestoreUnfinishedError);
    await restoreSnapshot(restored(), { snapshot });
    await using tsdb = await open('restored');
    expect(await contentsOf(tsdb)).toEqual(FILLED);
  });
});
