import type { GetMetricSpecResponse, GetMetricsResponse, ScaledObjectRef } from './external-scaler-contract.ts';

/** What a policy's forecasts say of the near future, for KEDA. */
export type ScalerReading =
  | { readonly kind: 'policy'; readonly demands: readonly ScalerDemand[] }
  | { readonly kind: 'unknown-policy'; readonly message: string };

export interface ScalerDemand {
  readonly name: string;
  /** Demand that a replica is to carry, above zero. Null where it is to be learned, and is not known yet. */
  readonly perReplica: number | null;
  readonly forecast: ScalerForecast;
}

export type ScalerForecast =
  /** The quantile of the largest demand within lead time and refresh, zero or more. */
  | { readonly kind: 'trusted'; readonly peak: number }
  /** There is none that may be acted on: nothing is better than a wrong number. */
  | { readonly kind: 'untrusted'; readonly message: string };

/** What is asked of the forecasts: all from the trigger's metadata, but the namespace. */
export interface ScalerQuestion {
  readonly namespace: string;
  readonly policy: string;
  /** Left out: the policy's own. */
  readonly quantile?: number;
}

/** A call that cannot be answered, with the status of gRPC for it. */
export class ScalerRefusal extends Error {
  override readonly name = 'ScalerRefusal';
  readonly status: 'INVALID_ARGUMENT' | 'NOT_FOUND' | 'FAILED_PRECONDITION';

  constructor(status: ScalerRefusal['status'], message: string) {
    super(message);
    this.status = status;
  }
}

/** A trigger's metadata, read. KEDA adds its own keys, such as `scalerAddress`. */
export interface ScalerTrigger extends ScalerQuestion {
  /** Above this forecast demand the workload is active. */
  readonly activation: number;
}

/** @throws {ScalerRefusal} If the metadata does not say what is wanted. */
export function triggerOf({ name, namespace, scalerMetadata }: ScaledObjectRef): ScalerTrigger {
  const { policy = name, quantile, activationDemand } = scalerMetadata;
  if (namespace === '' || policy === '') {
    throw new ScalerRefusal('INVALID_ARGUMENT', 'the call names no namespace, or no policy');
  }
  return {
    namespace,
    policy,
    ...(quantile !== undefined && { quantile: numberIn('quantile', quantile, { min: 0.01, max: 0.99 }) }),
    activation: activationDemand === undefined ? 0 : numberIn('activationDemand', activationDemand, { min: 0 }),
  };
}

/** @throws {ScalerRefusal} If there is no such policy. */
export function demandsOf(reading: ScalerReading): readonly ScalerDemand[] {
  if (reading.kind === 'unknown-policy') throw new ScalerRefusal('NOT_FOUND', reading.message);
  return reading.demands;
}

/** @throws {ScalerRefusal} If one forecast is not to be acted on: it may be the one that would say yes. */
export function isActive({ activation }: ScalerTrigger, demands: readonly ScalerDemand[]): boolean {
  return demands.map(peakOf).some((peak) => peak > activation);
}

/**
 * Known without a forecast, so that KEDA makes and keeps its HPA while there is none.
 * @throws {ScalerRefusal} If what a replica carries is not learned yet.
 */
export function metricSpecs({ policy }: ScalerTrigger, demands: readonly ScalerDemand[]): GetMetricSpecResponse {
  return {
    metricSpecs: demands.map((demand) => {
      const perReplica = targetOf(demand);
      return {
        metricName: metricName(policy, demand.name),
        targetSize: Math.max(1, Math.floor(perReplica)),
        targetSizeFloat: perReplica,
      };
    }),
  };
}

/** @throws {ScalerRefusal} If there is no such metric, or its forecast is not to be acted on. */
export function metricValues(
  { policy }: ScalerTrigger,
  asked: string,
  demands: readonly ScalerDemand[],
): GetMetricsResponse {
  const found = demands.filter(({ name }) => metricName(policy, name) === asked);
  if (found.length === 0) {
    const names = demands.map(({ name }) => metricName(policy, name)).join(', ');
    throw new ScalerRefusal('NOT_FOUND', `there is no metric ${asked}: this policy has ${names}`);
  }
  return {
    metricValues: found.map(peakOf).map((peak) => ({
      metricName: asked,
      metricValue: Math.ceil(peak),
      metricValueFloat: peak,
    })),
  };
}

function targetOf({ name, perReplica }: ScalerDemand): number {
  if (perReplica !== null) return perReplica;
  throw new ScalerRefusal('FAILED_PRECONDITION', `what a replica carries of ${name} is not learned yet`);
}

function peakOf({ forecast }: ScalerDemand): number {
  if (forecast.kind === 'untrusted') throw new ScalerRefusal('FAILED_PRECONDITION', forecast.message);
  return forecast.peak;
}

function metricName(policy: string, demand: string): string {
  return `foresail-${policy}-${demand}`;
}

function numberIn(name: string, text: string, { min, max }: { readonly min: number; readonly max?: number }): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isFinite(value) && value >= min && value <= (max ?? value)) return value;
  const bounds = max === undefined ? `at least ${min}` : `from ${min} to ${max}`;
  throw new ScalerRefusal('INVALID_ARGUMENT', `expected ${name} to be a number ${bounds}, got ${JSON.stringify(text)}`);
}
