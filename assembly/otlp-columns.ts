/*
 * What a scan of an OTLP request found, in memory that grows: samples in columns, histograms whose references the caller
 * has, resources, and metrics that are left to the caller.
 */

const FIRST: u32 = 4_096;
/** Histogram: the first of its samples, its number. */
const HISTOGRAM_BYTES: u32 = 8;
/** Resource: where it begins, the number of its entry, first and last time. */
const RESOURCE_BYTES: u32 = 24;

let room: u32 = 0;
let refs: usize = 0;
let times: usize = 0;
let starts: usize = 0;
let values: usize = 0;
let samples: u32 = 0;

let histogramRoom: u32 = 0;
let histograms: usize = 0;
let histogramCount: u32 = 0;

let resourceRoom: u32 = 0;
let resources: usize = 0;
let resourceCount: u32 = 0;

let leftRoom: u32 = 0;
let left: usize = 0;
let leftCount: u32 = 0;

export function otlpSamples(): u32 {
  return samples;
}

/** 0 where a histogram's references are to be filled in. */
export function otlpRefs(): usize {
  return refs;
}

export function otlpTimes(): usize {
  return times;
}

export function otlpStarts(): usize {
  return starts;
}

export function otlpValues(): usize {
  return values;
}

export function otlpHistograms(): usize {
  return histograms;
}

export function otlpHistogramCount(): u32 {
  return histogramCount;
}

export function otlpResources(): usize {
  return resources;
}

export function otlpResourceCount(): u32 {
  return resourceCount;
}

/** Where metrics begin that are to be decoded, from the beginning of the request. */
export function otlpLeft(): usize {
  return left;
}

export function otlpLeftCount(): u32 {
  return leftCount;
}

export function beginColumns(): void {
  dropSamples(0, 0);
  resourceCount = 0;
  leftCount = 0;
}

export function dropSamples(sample: u32, histogram: u32): void {
  samples = sample;
  histogramCount = histogram;
}

/** Gives back what large requests took. */
export function trimOtlp(): void {
  beginColumns();
  if (room <= FIRST * 16) return;
  heap.free(refs);
  heap.free(times);
  heap.free(starts);
  heap.free(values);
  room = 0;
}

export function addSample(ref: u32, time: f64, start: f64, value: f64): void {
  if (samples === room) widenSamples();
  store<u32>(refs + (samples << 2), ref);
  store<f64>(times + (samples << 3), time);
  store<f64>(starts + (samples << 3), start);
  store<f64>(values + (samples << 3), value);
  samples++;
}

function widenSamples(): void {
  const wider = room === 0 ? FIRST : room << 1;
  refs = wide(refs, room << 2, wider << 2);
  times = wide(times, room << 3, wider << 3);
  starts = wide(starts, room << 3, wider << 3);
  values = wide(values, room << 3, wider << 3);
  room = wider;
}

export function addHistogram(number: u32): void {
  if (histogramCount === histogramRoom) {
    const wider = histogramRoom === 0 ? FIRST >> 4 : histogramRoom << 1;
    histograms = wide(histograms, histogramRoom * HISTOGRAM_BYTES, wider * HISTOGRAM_BYTES);
    histogramRoom = wider;
  }
  const entry = histograms + histogramCount++ * HISTOGRAM_BYTES;
  store<u32>(entry, samples);
  store<u32>(entry, number, 4);
}

/** Returns its address, which is good until the next one. */
export function addResource(at: u32, number: u32, first: f64, last: f64): void {
  if (resourceCount === resourceRoom) {
    const wider = resourceRoom === 0 ? 16 : resourceRoom << 1;
    resources = wide(resources, resourceRoom * RESOURCE_BYTES, wider * RESOURCE_BYTES);
    resourceRoom = wider;
  }
  const entry = resources + resourceCount++ * RESOURCE_BYTES;
  store<u32>(entry, at);
  store<u32>(entry, number, 4);
  store<f64>(entry, first, 8);
  store<f64>(entry, last, 16);
}

export function addLeft(at: u32): void {
  if (leftCount === leftRoom) {
    const wider = leftRoom === 0 ? 64 : leftRoom << 1;
    left = wide(left, leftRoom << 2, wider << 2);
    leftRoom = wider;
  }
  store<u32>(left + (leftCount++ << 2), at);
}

function wide(before: usize, size: usize, wider: usize): usize {
  const after = heap.alloc(wider);
  if (size > 0) {
    memory.copy(after, before, size);
    heap.free(before);
  }
  return after;
}
