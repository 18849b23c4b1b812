/**
 * Everything that a detector knows of one series: numbers and tables, both of fixed size, one behind the other in one
 * buffer. Its parts have a place in each and no objects of their own, so that many series take little.
 */
export interface Memory {
  readonly numbers: Float64Array;
  readonly cells: Float32Array;
}

/** @param numbers How many. @param cells How many; an even number. */
export function blankMemory(numbers: number, cells: number): Memory {
  const buffer = new ArrayBuffer(8 * numbers + 4 * cells);
  return { numbers: new Float64Array(buffer, 0, numbers), cells: new Float32Array(buffer, 8 * numbers, cells) };
}
