export { appendBatch, limitAppends, recordEnd, restoreColumns, restoreRecord } from './append';
export { seedHashes } from './bytes';
export {
  codecBytes,
  codecTimes,
  codecValues,
  countOf,
  decodeChunk,
  decodeTimes,
  decodeValues,
  encodeChunk,
  timesEnd,
} from './codec';
export { forgetRefs } from './known-labels';
export {
  addLabelSet,
  dropLabelSet,
  dropUnusedLabels,
  findSeries,
  findText,
  freedTexts,
  hashLabels,
  labelNamed,
  labelSetBytes,
  labelSetCount,
  likeInName,
  newLabelSets,
  seedLabelSets,
} from './label-sets';
export { dropTable, newTable, tableBytes } from './label-table';
export { markSampled } from './label-values';
export {
  attachChunk,
  chunkAt,
  chunkBytes,
  chunkCount,
  chunkFirst,
  chunkLast,
  chunkLength,
  chunkSamples,
  closedChunks,
  countIn,
  dropBefore,
  dropChunks,
  freeSeries,
  heldBytes,
  keepAs,
  labelSetOf,
  liveSamples,
  newestOf,
  newSeries,
  retentionOf,
  sealSeries,
  unsyncedIn,
} from './live-series';
export { allocate, release } from './memory';
export { learnOtlp, scanOtlp } from './otlp';
export {
  otlpHistogramCount,
  otlpHistograms,
  otlpLeft,
  otlpLeftCount,
  otlpRefs,
  otlpResourceCount,
  otlpResources,
  otlpSamples,
  otlpStarts,
  otlpTimes,
  otlpValues,
  trimOtlp,
} from './otlp-columns';
export { beginMessage, faultAt, faultCode, faultDetail } from './protobuf';
export {
  hasSample,
  manyTimesAt,
  manyTimesCount,
  manyValuesAt,
  manyValuesCount,
  readMany,
  readSeries,
  readTimes,
  readValues,
} from './read-series';
export { clearSlot, newRefTable, nextRef, setSlot, slotOf } from './ref-table';
export { formatSamples, powersOfTen } from './sample-text';
export {
  forgetLine,
  learnLine,
  moveLine,
  scanEnd,
  scanLines,
  scannedLines,
  scannedSeries,
  scannedTimes,
  scannedType,
  scannedValues,
  scanRest,
  scanSeries,
  scanStop,
} from './scrape-lines';
export { limitLabels } from './sent-labels';
export { snappyDecode, snappyDone, snappyFaultAt } from './snappy';
export { hasLate, isStored, publish, stagedLate, stagedSamples, storedHigh, storedLow } from './staged';
export { symbolAt, symbolLength, symbolsFound } from './symbols';
export {
  exemplarCount,
  exemplarsAt,
  histogramCount,
  histogramsAt,
  metadataAt,
  metadataCount,
  partEmpties,
  partRefs,
  partSamples,
  partStarts,
  partText,
  partTextLength,
  partTimes,
  partValues,
  unseenAt,
  unseenCount,
} from './write-part';
export { checkWrite1, decodeWrite1 } from './write-v1';
export { checkWrite2, decodeWrite2, forgetMetadata, learnLabels, learnSymbols } from './write-v2';
