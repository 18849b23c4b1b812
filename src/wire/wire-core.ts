/** What the WebAssembly module exports for decoding. Addresses and lengths are bytes in `memory`. */
export interface WireCore {
  /** Its `buffer` is another one after the memory grew. */
  readonly memory: WebAssembly.Memory;
  /** @throws {WebAssembly.RuntimeError} If 4 GiB are used up. */
  allocate(bytes: number): number;
  release(address: number): void;

  /** The key of all hashes. To be called once, before a table has an entry. */
  seedHashes(a: number, b: number, c: number, d: number): void;
  newTable(): number;
  dropTable(table: number): void;
  tableBytes(table: number): number;
  learnLabels(table: number, start: number, length: number, ref: number): void;
  learnSymbols(series: number, names: number, start: number, length: number, ref: number, note: number): void;
  /** References in ascending order that count as unseen until the next call. */
  forgetRefs(address: number, count: number): void;
  /** Of one tenant: its table of series. */
  forgetMetadata(series: number): void;

  /** 0, or what is wrong. 16 bytes behind both stretches of memory must be there. */
  snappyDecode(source: number, size: number, target: number, length: number, from: number, before: number): number;
  snappyFaultAt(): number;
  snappyDone(): number;

  limitLabels(names: number, nameBytes: number, valueBytes: number): void;
  beginMessage(): void;
  faultCode(): number;
  faultAt(): number;
  faultDetail(): number;
  /** All answer where the rest begins. Tables may be 0. Unless it is checked, what is behind the part is walked too. */
  decodeWrite1(table: number, start: number, length: number, offset: number, isChecked: boolean): number;
  decodeWrite2(
    series: number,
    names: number,
    start: number,
    length: number,
    offset: number,
    isChecked: boolean,
  ): number;
  /** Walk from `offset` on, up to the field that reaches `until`. */
  checkWrite1(start: number, length: number, offset: number, until: number): number;
  checkWrite2(start: number, length: number, offset: number, until: number): number;

  partSamples(): number;
  /** Series that carry nothing. */
  partEmpties(): number;
  partRefs(): number;
  partTimes(): number;
  partValues(): number;
  partStarts(): number;
  partText(): number;
  partTextLength(): number;
  unseenAt(): number;
  unseenCount(): number;
  exemplarsAt(): number;
  exemplarCount(): number;
  histogramsAt(): number;
  histogramCount(): number;
  metadataAt(): number;
  metadataCount(): number;
  /** Symbols of the request decoded last, and where one of them begins; `symbolLength` is that of the last one asked for. */
  symbolsFound(): number;
  symbolAt(ref: number): number;
  symbolLength(): number;

  /** Scans lines of a text exposition; all that is scanned stands in memory of the module's own until the next call. */
  scanLines(table: number, start: number, end: number, openMetrics: number): number;
  scanStop(): number;
  scanSeries(): number;
  scanRest(): number;
  scanEnd(): number;
  scannedLines(): number;
  scannedSeries(): number;
  scannedValues(): number;
  scannedTimes(): number;
  scannedType(): number;
  learnLine(table: number, start: number, length: number, number: number, note: number): number;
  forgetLine(entry: number): void;
  moveLine(entry: number, table: number): number;
}
