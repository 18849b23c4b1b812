import { dueForTraining, type TrainingOccasion } from '../forecast/regressor/due-for-training.ts';
import { type ModelBytes, parseModel, UnusableModelError } from '../forecast/regressor/model-file.ts';
import type { ModelVersion, OwnModel, VersionScores } from '../forecast/regressor/model-version.ts';
import { SHIPPED_VERSION } from '../forecast/regressor/model-version.ts';
import type { TrainProgress } from '../forecast/regressor/train.ts';
import type { TrainRequest, TrainResult } from '../forecast/regressor/train-job.ts';
import type { Clock } from '../model/clock.ts';
import type { TenantId } from '../model/tenant.ts';
import { HOUR, MINUTE, type Millis, SECOND } from '../model/time.ts';
import { within } from '../numeric/within.ts';
import type { TenantDemand } from './demand-inputs.ts';
import type { DemandStorage } from './demand-series.ts';
import { runLoop } from './run-loop.ts';
import { type LoopTelemetry, reasonOf } from './telemetry.ts';
import type { TenantPolicy } from './tenant-policy.ts';
import { readTrainingSeries, rowsFor } from './training-series.ts';

export interface TrainingLoopDeps {
  readonly clock: Clock;
  readonly telemetry: LoopTelemetry;
  readonly policies: () => Promise<readonly TenantPolicy[]>;
  /** All that have data. */
  readonly tenants: () => Promise<readonly TenantId[]>;
  readonly storageOf: (tenant: TenantId) => Pick<DemandStorage, 'select'>;
  readonly versionsOf: (tenant: TenantId) => KeptVersions;
  readonly networks: UsedNetworks;
  /** Trains away from this thread. Rejects with the signal's reason. */
  readonly train: (
    request: TrainRequest,
    options: { readonly onProgress: (progress: TrainProgress) => void; readonly signal: AbortSignal },
  ) => Promise<TrainResult>;
  /** Undefined: nothing is trained, and versions that others put in force are taken up all the same. */
  readonly everyMs: number | undefined;
  /** At most. */
  readonly epochs: number;
}

/** One tenant's versions: `ModelVersions` of `workers/`. */
export interface KeptVersions {
  list(): Promise<readonly ModelVersion[]>;
  current(): Promise<string>;
  read(name: string): Promise<ModelBytes>;
  add(bytes: ModelBytes, scores: VersionScores, makeCurrent: boolean): Promise<string>;
}

/** The networks that forecasts are made with now. */
export interface UsedNetworks {
  versionOf(tenant: string): string;
  takeUp(change: { readonly tenant: string; readonly own: OwnModel | undefined }): void;
}

export interface TrainingLoop {
  /** Until aborted; a training under way ends with it. */
  run(signal: AbortSignal): Promise<void>;
  /** The demand changed its habits. */
  drifted(tenant: TenantId, id: string): void;
}

/** After a start there is more important work. */
const SETTLED_MS = HOUR;
/** A training takes seconds to a few minutes of CPU, and it gives way: one that takes so long never ends. */
const LONGEST_MS = HOUR;

interface Try {
  readonly at: Millis | undefined;
  /** In a row, of which no version came. */
  readonly inVain: number;
}

/**
 * Trains each tenant's network further when it is due, one at a time, and takes up what proved better. What others put in
 * force, `foresail train` or a roll-back, is taken up too.
 */
export function openTrainingLoop(deps: TrainingLoopDeps): TrainingLoop {
  const { clock, telemetry, networks, everyMs, epochs } = deps;
  const tries = new Map<TenantId, Try>();
  /** Since the last try. */
  const drifted = new Map<TenantId, Set<string>>();
  /** Versions in force on disk that cannot be used: told once. */
  const refused = new Map<TenantId, string>();
  let underWay: Promise<void> | undefined;

  async function look(startedAt: Millis, signal: AbortSignal): Promise<void> {
    for (const tenant of await deps.tenants()) await takeUpFromDisk(tenant);
    if (everyMs === undefined || underWay !== undefined) return;
    if (Math.abs(clock.now() - startedAt) < Math.min(SETTLED_MS, everyMs)) return;
    const next = await longestDue(demandsByTenant(await deps.policies()), everyMs);
    if (next === undefined) return;
    underWay = train(next, signal).finally(() => {
      underWay = undefined;
    });
  }

  async function takeUpFromDisk(tenant: TenantId): Promise<void> {
    const versions = deps.versionsOf(tenant);
    const version = await versions.current();
    if (version === networks.versionOf(tenant) || version === refused.get(tenant)) return;
    try {
      networks.takeUp({ tenant, own: version === SHIPPED_VERSION ? undefined : await readChecked(versions, version) });
      refused.delete(tenant);
      telemetry.log.info(
        { tenant, version },
        'another network is in force: forecasters learn with it at their next fit',
      );
    } catch (error) {
      if (!(error instanceof UnusableModelError)) throw error;
      refused.set(tenant, version);
      telemetry.count('networkUnusable', { code: error.code });
      telemetry.log.error({ err: error, tenant, version }, 'the network in force cannot be used: the one before is');
    }
  }

  /** The tenant that has waited longest for its turn. */
  async function longestDue(
    tenants: ReadonlyMap<TenantId, readonly TenantDemand[]>,
    every: number,
  ): Promise<Due | undefined> {
    const all: Due[] = [];
    for (const [tenant, demands] of tenants) {
      const { at: triedAt, inVain } = await lastTry(tenant);
      const due = dueForTraining({
        ...{ now: clock.now(), triedAt, inVain, everyMs: every },
        ...{ demands: demands.length, drifted: drifted.get(tenant)?.size ?? 0 },
      });
      if (due.kind === 'due') all.push({ tenant, demands, occasion: due.reason, triedAt });
    }
    const age = ({ triedAt = Number.NEGATIVE_INFINITY }: Due) => triedAt;
    return all.sort((a, b) => age(a) - age(b) || a.tenant.localeCompare(b.tenant))[0];
  }

  /** What the start finds is the last version's time; tries of which no version came are not kept. */
  async function lastTry(tenant: TenantId): Promise<Try> {
    const known = tries.get(tenant);
    if (known !== undefined) return known;
    const versions = await deps.versionsOf(tenant).list();
    const found = { at: versions.at(-1)?.scores?.trainedAt, inVain: 0 };
    tries.set(tenant, found);
    return found;
  }

  async function train(due: Due, signal: AbortSignal): Promise<void> {
    const { tenant, occasion } = due;
    const { inVain } = await lastTry(tenant);
    tries.set(tenant, { at: clock.now(), inVain: inVain + 1 });
    drifted.delete(tenant);
    try {
      const outcome = await telemetry.span('training', { tenant }, () => trainOne(due, signal));
      telemetry.count('trainings', { outcome, occasion });
      if (outcome !== 'too-little') tries.set(tenant, { at: clock.now(), inVain: 0 });
    } catch (error) {
      if (signal.aborted) return;
      telemetry.count('trainings', { outcome: 'failed', occasion });
      telemetry.count('trainingFailures', { reason: reasonOf(error) });
      telemetry.log.warn({ err: error, tenant, failures: inVain + 1 }, 'cannot train the network: tried again later');
    } finally {
      telemetry.gauge('trainingEpoch', {}, 0);
    }
  }

  async function trainOne({ tenant, demands, occasion }: Due, signal: AbortSignal) {
    const versions = deps.versionsOf(tenant);
    const [pointer, against] = [await versions.current(), networks.versionOf(tenant)];
    const seed = (await versions.list()).length;
    const series = await readTrainingSeries(deps.storageOf(tenant), demands, { now: clock.now(), seed, signal });
    if (series.length === 0) return 'too-little';
    const request = {
      ...{ series, epochs, seed, rows: rowsFor(series), from: 'current' as const },
      current: await versions.read(against),
    };
    telemetry.log.info({ tenant, occasion, against, series: series.length, rows: request.rows }, 'training begins');
    const result = await limited(signal, (limit) =>
      deps.train(request, {
        signal: limit,
        onProgress({ epoch, loss, validation, best }) {
          telemetry.gauge('trainingEpoch', {}, epoch);
          telemetry.log.info({ tenant, epoch, of: epochs, loss, validation, best }, 'training goes on');
        },
      }),
    );
    if (result.kind === 'too-little') return result.kind;
    const { scores, isBetter, version: digest, bytes } = result;
    telemetry.gauge('networkLoss', { tenant, network: 'candidate' }, scores.candidate);
    telemetry.gauge('networkLoss', { tenant, network: 'before' }, scores.current);
    telemetry.gauge('networkLoss', { tenant, network: 'last-value' }, scores.lastValue);
    // Where somebody put another version in force meanwhile, that is what they want.
    const isTakenUp = isBetter && (await versions.current()) === pointer;
    const kept = { trainedAt: clock.now(), digest, against, occasion, scores };
    const version = await versions.add(bytes, kept, isTakenUp);
    if (isTakenUp) networks.takeUp({ tenant, own: { version, bytes } });
    telemetry.log.info({ tenant, version, against, isTakenUp, ...scores }, 'training has ended');
    return isTakenUp ? 'taken-up' : 'not-better';
  }

  async function limited<T>(signal: AbortSignal, work: (limit: AbortSignal) => Promise<T>): Promise<T> {
    const [done, late] = [new AbortController(), new AbortController()];
    clock.sleep(LONGEST_MS, done.signal).then(
      () => late.abort(new TrainingTooLongError()),
      () => {},
    );
    try {
      return await work(AbortSignal.any([signal, late.signal]));
    } finally {
      done.abort();
    }
  }

  return {
    async run(signal) {
      const startedAt = clock.now();
      const intervalMs = within(SECOND, (everyMs ?? HOUR) / 10, MINUTE);
      await runLoop({ name: 'training', intervalMs, clock, telemetry }, () => look(startedAt, signal), signal);
      await underWay;
    },
    drifted(tenant, id) {
      const ids = drifted.get(tenant) ?? new Set();
      drifted.set(tenant, ids.add(id));
    },
  };
}

class TrainingTooLongError extends Error {
  override readonly name = 'TrainingTooLongError';

  constructor() {
    super('cannot train within an hour');
  }
}

interface Due {
  readonly tenant: TenantId;
  readonly demands: readonly TenantDemand[];
  readonly occasion: TrainingOccasion;
  readonly triedAt: Millis | undefined;
}

async function readChecked(versions: KeptVersions, version: string): Promise<OwnModel> {
  const bytes = await versions.read(version);
  parseModel(bytes);
  return { version, bytes };
}

function demandsByTenant(policies: readonly TenantPolicy[]): ReadonlyMap<TenantId, readonly TenantDemand[]> {
  const demands = new Map<TenantId, TenantDemand[]>();
  for (const { tenant, policy } of policies) {
    const all = demands.get(tenant) ?? [];
    demands.set(tenant, all);
    for (const spec of policy.demands) all.push({ tenant, policy, spec });
  }
  return demands;
}
