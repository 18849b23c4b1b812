import { accessSync, constants } from 'node:fs';
import { type KedaScaler, serveKedaScaler } from '../external-metrics/keda-scaler.ts';
import type { ScalerDemand, ScalerQuestion, ScalerReading } from '../external-metrics/scaler-answers.ts';
import { ListenError } from '../http/errors.ts';
import { runLoop } from '../loops/run-loop.ts';
import type { ForecastStatus } from '../model/issued-forecast.ts';
import type { TenantId } from '../model/tenant.ts';
import { MINUTE, type Millis } from '../model/time.ts';
import { forecastReading } from '../observe/observe.ts';
import type { CapacityReading } from '../scaling/capacity.ts';
import { trustIn } from '../scaling/demotion.ts';
import { NO_MEMORY } from '../scaling/plan-types.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { demotionText } from '../scaling/reasons.ts';
import type { Parts } from './parts.ts';

/** KEDA's external scaler, where the settings ask for one. */
export interface KedaScalerPart extends AsyncDisposable {
  /** Keeps the answers fresh, until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

/** The policy as it was read last, and its demands' forecasts in their order. */
interface Remembered {
  readonly policy: ScalingPolicy;
  readonly statuses: readonly (ForecastStatus | undefined)[];
  /** Of the demands whose capacity is learned. */
  readonly capacities: readonly (CapacityReading | undefined)[];
}

/** A policy that nobody has asked about for so long is forgotten. */
const FORGET_AFTER_MS = 10 * MINUTE;

/** @throws {ListenError} If it cannot listen where the settings say. */
export async function openKedaScaler(parts: Parts): Promise<KedaScalerPart> {
  const { settings, clock, log, telemetry, metrics } = parts;
  const { kedaScaler } = settings;
  if (kedaScaler === undefined) return { run: async () => {}, [Symbol.asyncDispose]: async () => {} };
  const { listen, tls } = kedaScaler;
  const memory = openScalerMemory(parts);
  let scaler: KedaScaler;
  try {
    for (const file of Object.values(tls ?? {})) accessSync(file, constants.R_OK);
    scaler = await serveKedaScaler({
      ...listen,
      ...(tls !== undefined && { tls }),
      read: memory.read,
      onCall: (method, status) => metrics.kedaCalls.inc({ method, status }),
      onError: (error) => log.error({ err: error }, 'cannot answer a call of KEDA'),
    });
  } catch (error) {
    // Which file cannot be read, or which address is taken, is in the message.
    const { message } = error as Error;
    throw new ListenError(
      `${listen.host}:${listen.port}`,
      new Error(message, { cause: error }),
      'see kedaScaler in the settings',
    );
  }
  log.info({ address: scaler.address }, "KEDA's external scaler is served");
  const pass = async () => {
    await memory.refresh();
    await scaler.refresh();
  };
  return {
    run: (signal) =>
      runLoop({ name: 'keda-scaler', intervalMs: settings.loops.scaleMs, clock, telemetry }, pass, signal),
    [Symbol.asyncDispose]: () => scaler[Symbol.asyncDispose](),
  };
}

/** The forecasts of the policies that KEDA asks about: read at the first question, and then by each pass. */
export function openScalerMemory({
  clock,
  policies,
  forecasts,
  capacities: learner,
}: Pick<Parts, 'clock'> & {
  readonly capacities?: Pick<Parts['capacities'], 'capacityOf'>;
  readonly policies: { list(): Promise<readonly { readonly tenant: TenantId; readonly policy: ScalingPolicy }[]> };
  readonly forecasts: {
    tenant(id: TenantId): {
      latest(key: { namespace: string; policy: string; demand: string }): Promise<ForecastStatus | undefined>;
    };
  };
}) {
  const remembered = new Map<string, Remembered>();
  const askedAt = new Map<string, Millis>();

  async function load(
    found: { readonly tenant: TenantId; readonly policy: ScalingPolicy } | undefined,
    key: string,
  ): Promise<void> {
    if (found === undefined) {
      remembered.delete(key);
      return;
    }
    const { tenant, policy } = found;
    const { latest } = forecasts.tenant(tenant);
    const { namespace, name } = policy;
    const statuses = await Promise.all(
      policy.demands.map((demand) => latest({ namespace, policy: name, demand: demand.name })),
    );
    const capacities = await Promise.all(
      policy.demands.map((spec) => spec.utilization && learner?.capacityOf(tenant, policy, spec, clock.now())),
    );
    remembered.set(key, { policy, statuses, capacities });
  }

  const inForce = async () => new Map((await policies.list()).map((each) => [keyOf(each.policy), each]));

  return {
    async read(question: ScalerQuestion): Promise<ScalerReading> {
      const key = `${question.namespace}/${question.policy}`;
      if (!remembered.has(key)) await load((await inForce()).get(key), key);
      const known = remembered.get(key);
      if (known === undefined) return { kind: 'unknown-policy', message: `there is no policy ${key}` };
      askedAt.set(key, clock.now());
      return readingOf(known, question, clock.now());
    },
    async refresh(): Promise<void> {
      if (remembered.size === 0) return;
      const found = await inForce();
      for (const key of [...remembered.keys()]) {
        const isAsked = Math.abs(clock.now() - (askedAt.get(key) ?? 0)) < FORGET_AFTER_MS;
        if (isAsked) await load(found.get(key), key);
        else remembered.delete(key);
        if (!remembered.has(key)) askedAt.delete(key);
      }
    },
  };
}

/** A forecast is judged at each question: what was fresh when it was read may be stale by now. */
function readingOf(
  { policy, statuses, capacities }: Remembered,
  { quantile }: ScalerQuestion,
  now: Millis,
): ScalerReading {
  const asked = quantile === undefined ? policy : { ...policy, quantile };
  const isPriced = quantile === undefined;
  const demands = policy.demands.map((spec, i): ScalerDemand => {
    const forecast = forecastReading(statuses[i], asked, isPriced ? spec.fill : undefined);
    const capacity = capacities[i];
    const reading = { name: spec.name, current: { time: now, value: null }, forecast, ...(capacity && { capacity }) };
    const trust = trustIn(spec, reading, asked, now, NO_MEMORY);
    const perReplica = trust.kind === 'trusted' ? trust.capacity.perReplica : spec.perReplica;
    return {
      name: spec.name,
      perReplica: perReplica === undefined ? null : perReplica * spec.fill,
      forecast:
        trust.kind === 'trusted'
          ? { kind: 'trusted', peak: trust.peak }
          : { kind: 'untrusted', message: demotionText(trust.demotion) },
    };
  });
  return { kind: 'policy', demands };
}

function keyOf({ namespace, name }: ScalingPolicy): string {
  return `${namespace}/${name}`;
}
