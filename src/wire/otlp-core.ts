/** What the WebAssembly module exports for OTLP. What a scan found stands until the next one. */
export interface OtlpCore {
  scanOtlp(resources: number, metrics: number, points: number, start: number, length: number): void;
  learnOtlp(table: number, start: number, length: number, number: number): number;
  trimOtlp(): void;
  otlpSamples(): number;
  otlpRefs(): number;
  otlpTimes(): number;
  otlpStarts(): number;
  otlpValues(): number;
  otlpHistograms(): number;
  otlpHistogramCount(): number;
  otlpResources(): number;
  otlpResourceCount(): number;
  otlpLeft(): number;
  otlpLeftCount(): number;
}
