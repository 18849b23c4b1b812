import { basename, dirname } from 'node:path';
import type { Disk } from '../tsdb/disk.ts';

interface Content {
  bytes: Uint8Array;
  length: number;
  synced: number;
}

/**
 * A disk in memory that can lose power: what was not synced is then gone, or partly there. Names are durable only once
 * their folder was synced; a write may fail on request.
 */
export class CrashDisk {
  #names = new Map<string, Content>();
  #durableNames = new Map<string, Content>();
  #boots = 0;
  /** Appends to throw before working again, as a full device does. */
  failingAppends = 0;
  /** Syncs of files to throw before working again. What they were to sync is then lost, as after a real one. */
  failingSyncs = 0;
  /** Files open for writing. */
  open = 0;

  /** The process ends, the machine goes on: what was written is there, and no more durable than before. */
  kill(): void {
    this.#boots++;
  }

  /**
   * The machine loses power.
   * @param keep Asked for each file: the share of its unsynced bytes that survives, from 0 to 1. Of names that were
   *   given or taken since their folder was synced, the worse half happens: below 0.5 new names are lost and removed
   *   ones are gone all the same.
   */
  crash(keep: () => number): void {
    this.#boots++;
    const names = new Map(this.#durableNames);
    for (const path of names.keys()) if (!this.#names.has(path) && keep() < 0.5) names.delete(path);
    for (const [path, content] of this.#names) if (!names.has(path) && keep() >= 0.5) names.set(path, content);
    this.#names = names;
    this.#durableNames = new Map(names);
    for (const content of new Set(this.#names.values())) {
      content.length = content.synced + Math.floor((content.length - content.synced) * keep());
      content.synced = content.length;
    }
  }

  /** Changes one bit of a file. */
  flip(path: string, bit: number): void {
    this.#content(path).bytes[bit >>> 3]! ^= 1 << (bit & 7);
  }

  /** Cuts a file, as if its last bytes had never been written. */
  cut(path: string, length: number): void {
    const content = this.#content(path);
    content.length = Math.min(content.length, length);
    content.synced = content.length;
  }

  get paths(): readonly string[] {
    return [...this.#names.keys()].sort();
  }

  sizeOf(path: string): number {
    return this.#content(path).length;
  }

  /** The disk as one process sees it: after a crash that process can do nothing any more. */
  boot(): Disk {
    const boot = this.#boots;
    /** Lets a turn pass, as a system call does, and then checks in the turn in which the call acts. */
    const turn = () =>
      Promise.resolve({
        act: <T>(call: () => T): T => {
          if (boot !== this.#boots) throw new Error('the process is gone');
          return call();
        },
      });
    return {
      ensureFolder: async () => (await turn()).act(() => undefined),
      list: async (folder) =>
        (await turn()).act(() => {
          return [...this.#names.keys()].filter((path) => dirname(path) === folder).map((path) => basename(path));
        }),
      create: async (path) => {
        const content: Content = { bytes: new Uint8Array(1_024), length: 0, synced: 0 };
        (await turn()).act(() => this.#names.set(path, content));
        this.open++;
        return {
          append: async (bytes) =>
            (await turn()).act(() => {
              const failing = this.failingAppends > 0;
              if (failing) this.failingAppends--;
              append(content, failing ? bytes.subarray(0, bytes.length >>> 1) : bytes);
              if (failing) throw new Error('no space left on device');
            }),
          sync: async () =>
            (await turn()).act(() => {
              if (this.failingSyncs > 0) {
                this.failingSyncs--;
                content.bytes.fill(0, content.synced, content.length);
                throw new Error('input/output error');
              }
              content.synced = content.length;
            }),
          close: async () => {
            this.open--;
          },
        };
      },
      openToRead: async (path) => {
        const { bytes, length } = (await turn()).act(() => this.#content(path));
        return {
          size: length,
          read: async (into, offset) => {
            const part = bytes.subarray(offset, Math.min(length, offset + into.length));
            into.set(part);
            return part.length;
          },
          close: async () => {},
        };
      },
      rename: async (from, to) =>
        (await turn()).act(() => {
          this.#names.set(to, this.#content(from));
          this.#names.delete(from);
        }),
      remove: async (path) =>
        (await turn()).act(() => {
          this.#names.delete(path);
        }),
      truncate: async (path, length) => (await turn()).act(() => this.cut(path, length)),
      sync: async (path) =>
        (await turn()).act(() => {
          const content = this.#content(path);
          content.synced = content.length;
        }),
      syncFolder: async (folder) =>
        (await turn()).act(() => {
          for (const path of [...this.#durableNames.keys()]) {
            if (dirname(path) === folder) this.#durableNames.delete(path);
          }
          for (const [path, content] of this.#names) {
            if (dirname(path) === folder) this.#durableNames.set(path, content);
          }
        }),
    };
  }

  #content(path: string): Content {
    const content = this.#names.get(path);
    if (content === undefined) throw new Error(`no such file: ${path}`);
    return content;
  }
}

function append(content: Content, bytes: Uint8Array): void {
  if (content.length + bytes.length > content.bytes.length) {
    const grown = new Uint8Array(Math.max(content.bytes.length * 2, content.length + bytes.length));
    grown.set(content.bytes.subarray(0, content.length));
    content.bytes = grown;
  }
  content.bytes.set(bytes, content.length);
  content.length += bytes.length;
}
