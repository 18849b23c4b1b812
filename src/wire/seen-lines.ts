import type { CoreMemory } from './core-memory.ts';
import type { FamilyFact, SeenSet } from './exposition.ts';

/** More lines of metadata, or longer ones, are read anew each time. */
const MAX_FACTS = 20_000;
const MAX_FACT_BYTES = 1_024;
/** Bytes of lines that are gone are kept until they are this many, and more than those of the others. */
const MIN_GONE_BYTES = 256 << 10;
const TYPE_NOTE = 1;
const OTHER_NOTE = 2;

/**
 * What was seen of one target in a text format: its lines up to their values, in a table of the module's memory, which
 * has a series for each. Holds memory from the first line until it is cleared.
 */
export class SeenLines implements SeenSet {
  readonly memory: CoreMemory;
  #table = 0;
  /** By series: its entry in the table, 0 where it has none. */
  #entries = new Uint32Array(64);
  #facts: FamilyFact[] = [];
  #size = 0;
  #bytes = 0;
  #goneBytes = 0;

  constructor(memory: CoreMemory) {
    this.memory = memory;
  }

  /** Its address. */
  get table(): number {
    if (this.#table === 0) this.#table = this.memory.core.newTable();
    return this.#table;
  }

  get size(): number {
    return this.#size;
  }

  *series(): Generator<number, void> {
    for (let series = 1; series < this.#entries.length; series++) if (this.#entries[series] !== 0) yield series;
  }

  fact(number: number): FamilyFact {
    return this.#facts[number - 1]!;
  }

  /** Keeps the bytes of a series at an address of the module's memory. */
  learn(series: number, start: number, length: number): void {
    if (series >= this.#entries.length) {
      const wider = new Uint32Array(Math.max(series + 1, this.#entries.length * 2));
      wider.set(this.#entries);
      this.#entries = wider;
    }
    this.#entries[series] = this.memory.core.learnLine(this.table, start, length, series, 0);
    this.#size++;
    this.#bytes += length;
  }

  learnFact(fact: FamilyFact, start: number, length: number): void {
    if (this.#facts.length >= MAX_FACTS || length > MAX_FACT_BYTES) return;
    this.#facts.push(fact);
    const note = fact.kind === 'type' ? TYPE_NOTE : OTHER_NOTE;
    this.memory.core.learnLine(this.table, start, length, this.#facts.length, note);
  }

  forget(series: number): void {
    const entry = this.#entries[series] ?? 0;
    if (entry === 0) return;
    this.memory.core.forgetLine(entry);
    const length = this.memory.words(entry + 8, 1)[0]!;
    this.#bytes -= length;
    this.#goneBytes += length;
    this.#entries[series] = 0;
    this.#size--;
  }

  clear(): void {
    if (this.#table !== 0) this.memory.core.dropTable(this.#table);
    this.#table = 0;
    this.#entries = new Uint32Array(64);
    this.#facts = [];
    this.#size = 0;
    this.#bytes = 0;
    this.#goneBytes = 0;
  }

  /** Gives back what lines took that are gone. */
  tidy(): void {
    if (this.#goneBytes < Math.max(MIN_GONE_BYTES, this.#bytes)) return;
    const { core } = this.memory;
    const table = core.newTable();
    for (const series of this.series()) this.#entries[series] = core.moveLine(this.#entries[series]!, table);
    core.dropTable(this.#table);
    this.#table = table;
    this.#facts = [];
    this.#goneBytes = 0;
  }
}
