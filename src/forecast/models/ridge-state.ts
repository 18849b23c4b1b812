import { DamagedStateError, type StateReader, stateReader, stateWriter } from '../state-bytes.ts';
import { coefficientsOf, crossOf, momentOf, type RidgeSums, sharedOf } from './ridge-sums.ts';

/**
 * Where a knot lacks a smaller share of the rows than this, and has this many for each regressor, those missing are taken
 * to be like the others.
 */
const LEAST_MISSING = 0.03;
const MANY_ROWS = 20;

export function clearRidge(state: RidgeSums): void {
  state.all.fill(0);
  state.rows = 0;
  for (const knot of state.knots) {
    knot.absent = undefined;
    knot.rows = 0;
    knot.solved = false;
  }
}

/** What several ridges over the same rows share beside their sums. */
export interface RidgeCourse {
  readonly clips: Float64Array;
  /** The usual error at each knot. */
  readonly usual: Float64Array;
  /** How far the next row and the last refit lie before the track's end. */
  readonly behind: Float64Array;
}

/**
 * A ridge in bytes: sums with an error of a sixteen-millionth of the largest, coefficients as they are.
 * @param course Given for the ridge that leads several: the sums of the others are not written, they differ only in how
 * fast they forget.
 */
export function writeRidge(state: RidgeSums, course: RidgeCourse | undefined): Uint8Array {
  const writer = stateWriter();
  const shared = sharedOf(state);
  writer.number(state.rows);
  if (course !== undefined) {
    writer.doubles(course.clips);
    writer.doubles(course.usual);
    writer.doubles(course.behind);
    writer.coarse(shared);
  }
  for (const [k, { absent, rows, solved }] of state.knots.entries()) {
    writer.number(rows);
    const missing = absent === undefined ? 0 : traceOf(absent) / traceOf(shared);
    const isExact = missing > LEAST_MISSING || (missing > 0 && rows < MANY_ROWS * (state.p1 + state.p2));
    writer.count((solved ? 1 : 0) + (isExact ? 2 : 0));
    writer.singles(coefficientsOf(state, k));
    if (course === undefined) continue;
    writer.number(missing);
    writer.coarse(crossOf(state, k));
    writer.singles(momentOf(state, k));
    if (absent !== undefined && isExact) writer.rough(absent);
  }
  return writer.finish();
}

/** @returns False if the bytes are not of a ridge of this shape; the state is then spoiled. */
export function readRidge(saved: Uint8Array, state: RidgeSums, from: RidgeCourse | RidgeSums): boolean {
  try {
    const reader = stateReader(saved);
    state.rows = reader.number();
    const course = 'clips' in from ? from : undefined;
    if (course !== undefined) {
      reader.doubles(course.clips);
      reader.doubles(course.usual);
      reader.doubles(course.behind);
      reader.coarse(sharedOf(state));
    }
    for (let k = 0; k < state.knots.length; k++) readKnot(reader, state, k, course !== undefined);
    reader.end();
    if ('knots' in from) return likenTo(state, from);
    return true;
  } catch (error) {
    if (error instanceof DamagedStateError) return false;
    throw error;
  }
}

function readKnot(reader: StateReader, state: RidgeSums, k: number, withSums: boolean): void {
  const knot = state.knots[k]!;
  knot.rows = reader.number();
  const flags = reader.count();
  knot.solved = (flags & 1) !== 0;
  reader.singles(coefficientsOf(state, k));
  if (!withSums) return;
  const missing = reader.number();
  reader.coarse(crossOf(state, k));
  reader.singles(momentOf(state, k));
  if (missing === 0) return;
  knot.absent = sharedOf(state).map((sum) => missing * sum);
  if ((flags & 2) !== 0) reader.rough(knot.absent);
}

/** Takes the leader's sums at the weight of one's own rows: a stand-in until enough new rows have come. */
function likenTo(state: RidgeSums, leader: RidgeSums): boolean {
  if (leader.rows === 0) return false;
  scaled(sharedOf(state), sharedOf(leader), state.rows / leader.rows);
  for (const [k, knot] of state.knots.entries()) {
    const { absent, rows } = leader.knots[k]!;
    const share = rows > 0 ? knot.rows / rows : 0;
    scaled(crossOf(state, k), crossOf(leader, k), share);
    scaled(momentOf(state, k), momentOf(leader, k), share);
    knot.absent = absent && new Float32Array(absent.length);
    if (absent !== undefined) scaled(knot.absent!, absent, state.rows / leader.rows);
  }
  return true;
}

function scaled(out: Float32Array, values: Float32Array, by: number): void {
  for (let i = 0; i < out.length; i++) out[i] = by * values[i]!;
}

/** The sum of the diagonal of a lower triangle. */
function traceOf(triangle: Float32Array): number {
  let trace = 0;
  for (let i = 0, at = 0; at < triangle.length; i++, at += i + 1) trace += triangle[at]!;
  return trace;
}
