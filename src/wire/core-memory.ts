import type { WireCore } from './wire-core.ts';

/** Views of the module's memory that are always of its present buffer: growing replaces it. */
export class CoreMemory {
  readonly core: WireCore;
  #bytes: Uint8Array<ArrayBuffer>;

  constructor(core: WireCore) {
    this.core = core;
    this.#bytes = new Uint8Array(core.memory.buffer as ArrayBuffer);
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    const { buffer } = this.core.memory;
    if (this.#bytes.buffer !== buffer) this.#bytes = new Uint8Array(buffer as ArrayBuffer);
    return this.#bytes;
  }

  /** @throws {WebAssembly.RuntimeError} If 4 GiB are used up. */
  allocate(bytes: number): number {
    // Addresses come as signed numbers.
    return this.core.allocate(bytes) >>> 0;
  }

  /** A view, good until the module is called again. */
  words(address: number, count: number): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.core.memory.buffer as ArrayBuffer, address >>> 0, count);
  }

  /** A view, good until the module is called again. */
  numbers(address: number, count: number): Float64Array<ArrayBuffer> {
    return new Float64Array(this.core.memory.buffer as ArrayBuffer, address >>> 0, count);
  }
}
