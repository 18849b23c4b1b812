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
export class CrashDisk implements Disk {
  #names = new Map<string, Content>();
  #durableNames = new Map<string, Content>();
  #generation = 0;
  /** Appends to throw before working again, as a full device does. */
  failingAppends = 0;

  /** @param keep For each file that has unsynced bytes: the share of them that survives, from 0 to 1. */
  crash(keep: () => number): void {
    this.#generation++;
    this.#names = new Map(this.#durableNames);
    for (const content of new Set(this.#names.values())) {
      content.length = content.synced + Math.floor((content.length - content.synced) * keep());
      content.synced = content.length;
    }
  }

  /** Changes one bit of a file. */
  flip(path: string, bit: number): void {
    const content = this.#content(path);
    if (content.length > 0) content.bytes[(bit >>> 3) % content.length]! ^= 1 << (bit & 7);
  }

  get paths(): readonly string[] {
    return [...this.#names.keys()].sort();
  }

  sizeOf(path: string): number {
    return this.#content(path).length;
  }

  async ensureFolder(): Promise<void> {}

  async list(folder: string): Promise<readonly string[]> {
    return [...this.#names.keys()].filter((path) => dirname(path) === folder).map((path) => basename(path));
  }

  async create(path: string) {
    const generation = this.#generation;
    const content: Content = { bytes: new Uint8Array(1_024), length: 0, synced: 0 };
    this.#names.set(path, content);
    return {
      append: async (bytes: Uint8Array) => {
        // A process that died writes nothing more.
        if (generation !== this.#generation) throw new Error('the process is gone');
        const failing = this.failingAppends > 0;
        if (failing) this.failingAppends--;
        append(content, failing ? bytes.subarray(0, bytes.length >>> 1) : bytes);
        if (failing) throw new Error('no space left on device');
      },
      sync: async () => {
        if (generation !== this.#generation) throw new Error('the process is gone');
        content.synced = content.length;
      },
      close: async () => {},
    };
  }

  async openToRead(path: string) {
    const { bytes, length } = this.#content(path);
    return {
      size: length,
      read: async (into: Uint8Array, offset: number) => {
        const part = bytes.subarray(offset, Math.min(length, offset + into.length));
        into.set(part);
        return part.length;
      },
      close: async () => {},
    };
  }

  async rename(from: string, to: string): Promise<void> {
    const content = this.#content(from);
    this.#names.delete(from);
    this.#names.set(to, content);
  }

  async remove(path: string): Promise<void> {
    this.#names.delete(path);
  }

  async truncate(path: string, length: number): Promise<void> {
    const content = this.#content(path);
    content.length = Math.min(content.length, length);
    content.synced = content.length;
  }

  async syncFolder(folder: string): Promise<void> {
    for (const path of [...this.#durableNames.keys()]) if (dirname(path) === folder) this.#durableNames.delete(path);
    for (const [path, content] of this.#names) if (dirname(path) === folder) this.#durableNames.set(path, content);
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
