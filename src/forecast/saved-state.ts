import { FADING_BINS, type FadingQuantiles, SQUARES, TOTAL, UNIT, WEIGHT } from '../numeric/fading-quantiles.ts';
import type { Channel } from './channel.ts';
import type { AllHours, Hours } from './hours.ts';
import type { ConformalState } from './intervals.ts';
import { mixWeights } from './mix.ts';
import type { Model } from './models/model.ts';
import type { Rises } from './rises.ts';
import type { LearnedSpecial } from './special-times.ts';
import {
  checksumOf,
  DamagedStateError,
  type StateReader,
  type StateWriter,
  stateReader,
  stateWriter,
} from './state-bytes.ts';
import type { Track } from './track.ts';
import type { Transform } from './transform.ts';
import type { Volatility } from './volatility.ts';

/** What a state belongs to: a forecaster for anything else cannot take it up. */
export interface StateOwner {
  readonly stepMs: number;
  readonly horizonSteps: number;
  readonly peakWindowMs: number;
  readonly seasons: 'auto' | readonly number[];
  readonly models: readonly string[] | 'all';
  readonly local: boolean;
}

/** What a forecaster was built from at its cold fit, and where its series stood when it was saved. Plain data. */
export interface StateFacts {
  readonly transform: Transform;
  readonly historyLength: number;
  readonly seasons: readonly number[];
  /** Times of the first and the last value, and the first one's local time. */
  readonly start: number;
  readonly localStart: number;
  readonly end: number;
  /** Steps that were dropped before the first value, and local steps from where phases are counted to it. */
  readonly dropped: number;
  readonly phase: number;
  readonly negative: boolean;
  /** Whether it was zero on many steps when it was fitted: it decides which models there are. */
  readonly sparse: boolean;
  /** Of special times that are over. */
  readonly learned: readonly LearnedSpecial[];
}

/** What is learnt as values come. */
export interface Learnt {
  readonly volatility: Volatility;
  readonly hours: AllHours;
  readonly channels: readonly Channel[];
  readonly rises: Rises | undefined;
  readonly models: readonly Model[];
}

/**
 * States are no larger as long as there are about a hundred horizons at most. Models that do not fit learn again from the
 * history.
 */
const MOST_STATE_BYTES = 65_536;
const MAGIC = 0x43465346;
/** Changes whenever a byte of the layout, a default model or a regressor does. */
const VERSION = 5;
const HEAD_BYTES = 12;

/** Everything learnt, in at most 64 KiB; not the history. */
export function writeState(owner: StateOwner, facts: StateFacts, learnt: Learnt, track: Track): Uint8Array {
  const last = track.length - 1;
  const saved = learnt.models.map((model) => model.save?.(track));
  for (;;) {
    const payload = payloadOf(owner, facts, { ...learnt, saved }, { last, isSmall: false });
    if (payload.length + HEAD_BYTES <= MOST_STATE_BYTES) return withHead(payload);
    const largest = saved.reduce((most, bytes, i) => ((bytes?.length ?? 0) > (saved[most]?.length ?? 0) ? i : most), 0);
    if (saved[largest] === undefined) break;
    saved[largest] = undefined;
  }
  return withHead(payloadOf(owner, facts, { ...learnt, saved }, { last, isSmall: true }));
}

/** How a state is written: the small way leaves out forecasts that still wait for their truth. */
interface Manner {
  readonly last: number;
  readonly isSmall: boolean;
}

function payloadOf(
  owner: StateOwner,
  facts: StateFacts,
  {
    volatility,
    hours,
    channels,
    rises,
    models,
    saved,
  }: Learnt & { readonly saved: readonly (Uint8Array | undefined)[] },
  manner: Manner,
): Uint8Array {
  const writer = stateWriter();
  writer.text(JSON.stringify(owner));
  writer.text(JSON.stringify(facts));
  writer.text(JSON.stringify(volatility));
  for (const each of [hours.near, hours.far, hours.peak]) writeHours(writer, each);
  writer.text(JSON.stringify(models.map(({ name }) => name)));
  for (const bytes of saved) {
    writer.count(bytes === undefined ? 0 : 1);
    if (bytes !== undefined) writer.bytes(bytes);
  }
  writer.count(manner.isSmall ? 1 : 0);
  writer.count(channels.length);
  for (const channel of channels) writeChannel(writer, channel, manner);
  if (rises !== undefined) {
    writeChannel(writer, rises.channel, manner);
    writer.doubles(Float64Array.of(rises.least));
  }
  return writer.finish();
}

function withHead(payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + payload.length);
  const head = new DataView(bytes.buffer);
  head.setUint32(0, MAGIC, true);
  head.setUint32(4, VERSION, true);
  head.setUint32(8, checksumOf(payload), true);
  bytes.set(payload, HEAD_BYTES);
  return bytes;
}

/** A state whose head is sound and that belongs to this owner, not yet taken up. */
export interface OpenedState {
  readonly facts: StateFacts;
  /**
   * Writes what was learnt into a forecaster built by the same facts, whose track ends where the saved one did.
   * @param last Index of the track's last value.
   * @returns The models that have to learn again from the history.
   * @throws {DamagedStateError} If the bytes do not fit; the forecaster is then spoiled.
   */
  takeUp(learnt: Learnt, restore: (model: Model, saved: Uint8Array) => boolean, last: number): readonly Model[];
}

/** @throws {DamagedStateError} Saying why the bytes are of no use to this owner. */
export function openState(bytes: Uint8Array, owner: StateOwner): OpenedState {
  if (bytes.length < HEAD_BYTES) throw new DamagedStateError('the state is too short');
  const head = new DataView(bytes.buffer, bytes.byteOffset, HEAD_BYTES);
  if (head.getUint32(0, true) !== MAGIC) throw new DamagedStateError('these bytes are not the state of a forecaster');
  const version = head.getUint32(4, true);
  if (version !== VERSION) throw new DamagedStateError(`the state is of version ${version}, not ${VERSION}`);
  const payload = bytes.subarray(HEAD_BYTES);
  if (checksumOf(payload) !== head.getUint32(8, true))
    throw new DamagedStateError('the state is damaged: its checksum is off');
  const reader = stateReader(payload);
  const saved = reader.text();
  if (saved !== JSON.stringify(owner)) throw new DamagedStateError(`the state is for other options: ${saved}`);
  const facts = parsed(reader.text()) as StateFacts;
  return { facts, takeUp: (learnt, restore, last) => takeUp(reader, learnt, restore, last) };
}

function takeUp(
  reader: StateReader,
  { volatility, hours, channels, rises, models }: Learnt,
  restore: (model: Model, saved: Uint8Array) => boolean,
  last: number,
): readonly Model[] {
  Object.assign(volatility, parsed(reader.text()));
  for (const each of [hours.near, hours.far, hours.peak]) readHours(reader, each);
  const names = reader.text();
  if (names !== JSON.stringify(models.map(({ name }) => name))) {
    throw new DamagedStateError(`the state is of other models: ${names}`);
  }
  const again: Model[] = [];
  for (const model of models) if (reader.count() === 0 || !restore(model, reader.bytes())) again.push(model);
  const manner = { last, isSmall: reader.count() === 1 };
  if (reader.count() !== channels.length) throw new DamagedStateError('the state has another number of horizons');
  for (const channel of channels) readChannel(reader, channel, manner);
  if (rises !== undefined) {
    readChannel(reader, rises.channel, manner);
    const least = new Float64Array(1);
    reader.doubles(least);
    rises.least = least[0]!;
  }
  reader.end();
  return again;
}

function writeHours(writer: StateWriter, { means, mean, seen }: Hours): void {
  writer.doubles(Float64Array.of(mean, seen));
  writer.singles(Float32Array.from(means));
}

function readHours(reader: StateReader, hours: Hours): void {
  const head = new Float64Array(2);
  const means = new Float32Array(hours.parts);
  reader.doubles(head);
  reader.singles(means);
  [hours.mean, hours.seen] = head as unknown as [number, number];
  hours.means = Array.from(means);
}

function writeChannel(writer: StateWriter, channel: Channel, { last, isSmall }: Manner): void {
  const { mix, sums, waiting, waitingOrigins, conformal, skill } = channel;
  writer.count(channel.horizon);
  writer.count(channel.scored);
  writer.coarse(mix.errors);
  writer.coarse(mix.seen);
  writer.doubles(Float64Array.of(sums.origins, sums.error, sums.naiveError, sums.watched, sums.covered));
  if (!isSmall) {
    writer.doubles(waitingOrigins.map((origin) => (origin < 0 ? -1 : last - origin)));
    writer.singles(waiting);
  }
  for (const state of [conformal, ...(skill?.naives ?? [])]) writeConformal(writer, state);
  if (skill !== undefined) writer.doubles(skill.losses);
}

function readChannel(reader: StateReader, channel: Channel, { last, isSmall }: Manner): void {
  const { mix, sums, waiting, waitingOrigins, conformal, skill } = channel;
  if (reader.count() !== channel.horizon) throw new DamagedStateError('the state has other horizons');
  channel.scored = reader.count();
  reader.coarse(mix.errors);
  reader.coarse(mix.seen);
  const read = new Float64Array(5);
  reader.doubles(read);
  const [origins, error, naiveError, watched, covered] = read;
  Object.assign(sums, { origins, error, naiveError, watched, covered });
  if (!isSmall) {
    reader.doubles(waitingOrigins);
    for (let i = 0; i < waitingOrigins.length; i++) {
      if (waitingOrigins[i]! >= 0) waitingOrigins[i] = Math.max(-1, last - waitingOrigins[i]!);
    }
    reader.singles(waiting);
  }
  for (const state of [conformal, ...(skill?.naives ?? [])]) readConformal(reader, state);
  if (skill !== undefined) reader.doubles(skill.losses);
  mixWeights(mix, channel.weights);
}

function writeConformal(writer: StateWriter, { losses, tails, scores }: ConformalState): void {
  writer.doubles(losses);
  writer.doubles(tails);
  for (const { numbers, number, seen, lowest, highest, counts, first } of scores) {
    const [unit, weight, squares] = [UNIT, WEIGHT, SQUARES].map((which) => numbers[number + which]!);
    writer.doubles(Float64Array.of(unit!, weight!, squares!, seen));
    writer.count(lowest);
    writer.count(highest);
    writer.rough(counts.subarray(first + lowest, first + highest + 1));
  }
}

function readConformal(reader: StateReader, { losses, tails, scores }: ConformalState): void {
  reader.doubles(losses);
  reader.doubles(tails);
  for (const score of scores) readFading(reader, score);
}

function readFading(reader: StateReader, score: FadingQuantiles): void {
  const read = new Float64Array(4);
  reader.doubles(read);
  const [unit, weight, squares, seen] = read as unknown as [number, number, number, number];
  const lowest = reader.count();
  const highest = reader.count();
  if (lowest > highest || highest >= FADING_BINS) throw new DamagedStateError('the state has bins that do not exist');
  const { numbers, number, first } = score;
  const counts = score.counts.subarray(first, first + FADING_BINS).fill(0);
  reader.rough(counts.subarray(lowest, highest + 1));
  numbers[number + UNIT] = unit;
  numbers[number + WEIGHT] = weight;
  numbers[number + SQUARES] = squares;
  numbers[number + TOTAL] = counts.reduce((sum, count) => sum + count, 0);
  Object.assign(score, { seen, lowest, highest });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new DamagedStateError('the state is damaged: what it says of itself is not JSON', { cause: error });
  }
}
