import type { IncomingMessage } from 'node:http';
import type { Router } from 'express';
import type { ResultOf, SeriesJob } from '../forecast/jobs/series-job.ts';
import type { ModelVersion } from '../forecast/regressor/model-version.ts';
import type { Caller } from '../model/caller.ts';
import type { Forecast, LiveAccuracy, NoForecast } from '../model/forecast.ts';
import type { ForecastScore } from '../model/issued-forecast.ts';
import type { Matcher } from '../model/matcher.ts';
import type { Samples } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import type { Millis, TimeRange } from '../model/time.ts';
import type { CalendarOf } from '../observe/policy-calendar.ts';
import type { Advice } from '../scaling/advice/types.ts';
import type { Decision } from '../scaling/decision-types.ts';
import type { Plan, PlanInput, TargetReading } from '../scaling/plan-types.ts';
import type { ScalingPolicy, ScalingPolicyDocument } from '../scaling/policy.ts';
import type { PolicyPreview, PreviewInput } from '../scaling/policy-preview.ts';
import type { AttachmentReader, Evaluator, SeriesReader } from '../storage/storage.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { WriteSamples } from '../wire/sample-text.ts';
import type { HeadChunks } from './cardinality.ts';
import type { ExternalLabels } from './external-labels.ts';
import type { PauseOf, QueryRuns } from './query-runs.ts';
import type { TargetsRouteDeps } from './routes/targets.ts';
import type { DemandTrust } from './trust.ts';

/** All that the HTTP server reads and changes, as functions that the composition root gives it. */
export interface HttpDeps extends QueryDeps, PolicyDeps, WorkloadDeps, ComputeDeps, TargetsRouteDeps {
  readonly version: string;
  readonly startedAt: Millis;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly limits: QueryLimits & { readonly requestBytes: number };
  readonly queries: QueryRuns;
  readonly pauseOf: PauseOf;
  readonly externalLabels: ExternalLabels;
  /** How long samples are kept, as it is told: `30d`. */
  readonly retention: string;
  /** Whose request it is. Throws where the credential, or the tenant, is missing or wrong. */
  readonly callerOf: (request: IncomingMessage) => Caller;
  /** Waits before another part of a refused body is read and thrown away. Undefined: nobody knows whose. */
  readonly beforeDiscard: (tenant: TenantId | undefined) => Promise<void>;
  /** Checks the credential alone, for what belongs to no tenant. */
  readonly authenticate: (request: IncomingMessage) => void;
  /** Undefined once the server can answer everything; else what it waits for. */
  readonly notReady: () => string | undefined;
  readonly status: (tenant: TenantId) => Promise<ServerStatus>;
  /** A tenant's limits as Mimir's `/api/v1/user_limits` has them. */
  readonly userLimits: (tenant: TenantId) => Readonly<Record<string, number | string>>;
  /** What a tenant has in memory, for `/api/v1/status/tsdb`. */
  readonly headChunks: (tenant: TenantId) => Promise<HeadChunks>;
  /** The versions of the tenant's network, oldest first. */
  readonly networkVersions: (tenant: TenantId) => Promise<readonly ModelVersion[]>;
  /** Routes of other parts, mounted on the same app behind the same error handler. */
  readonly routes?: readonly ((router: Router) => void)[];
}

export interface QueryLimits {
  readonly querySamples: number;
  readonly queryTimeoutMs: number;
  readonly queryPoints: number;
  /** Bytes of an answer of remote read that is no stream. */
  readonly readBytes: number;
}

export interface QueryDeps {
  readonly now: () => Millis;
  readonly storage: {
    tenant(
      id: TenantId,
    ): SeriesReader & Evaluator & Pick<AttachmentReader, 'exemplars'> & Partial<Pick<AttachmentReader, 'histograms'>>;
  };
  /** `up{job="api"}`. Throws, in words, if the text is no selector. */
  readonly parseSelector: (text: string) => readonly Matcher[];
  readonly limits: QueryLimits;
  /** Writes samples of answers faster. */
  readonly writeSamples?: WriteSamples;
}

/** What takes seconds of CPU, away from the requests' own thread, with the tenant's network where it forecasts. */
export interface ComputeDeps {
  readonly doJob: <J extends SeriesJob>(tenant: TenantId, job: J, signal: AbortSignal) => Promise<ResultOf<J>>;
  /** @throws {CodedError} If a region or a file cannot be used. */
  readonly calendarOf: CalendarOf;
  readonly preview: (tenant: TenantId, input: PreviewInput, signal: AbortSignal) => Promise<PolicyPreview>;
  /** @throws {InvalidDocumentError} With every problem of the document. */
  readonly checkPolicy: (document: unknown) => Pick<PolicyView, 'document' | 'policy'>;
}

export interface PolicyView {
  readonly source:
    | { readonly kind: 'file'; readonly file: string }
    | { readonly kind: 'resource' }
    | { readonly kind: 'http' };
  readonly document: ScalingPolicyDocument;
  readonly policy: ScalingPolicy;
  /** Other sources that have a policy of its name and differ, or a newer form of it that is wrong. */
  readonly problems?: readonly string[];
}

/** The policies of one tenant, read anew at each call. */
export interface PolicyDeps {
  readonly policies: {
    list(): Promise<readonly (PolicyView & { readonly tenant: TenantId })[]>;
    read(tenant: TenantId, namespace: string, name: string): Promise<PolicyView | undefined>;
    put(
      tenant: TenantId,
      namespace: string,
      name: string,
      document: unknown,
    ): Promise<{ readonly created: boolean; readonly stored: PolicyView }>;
    remove(tenant: TenantId, namespace: string, name: string): Promise<boolean>;
  };
  /** Observes and plans now, and does nothing about it: the dry run of the scale loop. */
  readonly planNow: (tenant: TenantId, policy: ScalingPolicy) => Promise<PlanView>;
  /** What could be set better, from the policy's history. What is not known is a reason in its place. */
  readonly advice: (tenant: TenantId, policy: ScalingPolicy, judgedMs: number, signal: AbortSignal) => Promise<Advice>;
  /** The newest forecast of each of the policy's demands, in its order. */
  readonly forecasts: (tenant: TenantId, policy: ScalingPolicy) => Promise<readonly DemandForecast[]>;
  /** How good the issued forecasts of each of the policy's demands proved to be, in its order. */
  readonly accuracy: (tenant: TenantId, policy: ScalingPolicy) => Promise<readonly DemandAccuracy[]>;
  /** The same a day at a time, oldest first. */
  readonly scores: (
    tenant: TenantId,
    policy: ScalingPolicy,
    demand: string,
    range: TimeRange,
  ) => Promise<readonly ForecastScore[]>;
  /** Newest first, all before `before`. */
  readonly decisions: (
    tenant: TenantId,
    namespace: string,
    name: string,
    options: { readonly limit: number; readonly before?: Millis },
  ) => Promise<readonly DecisionView[]>;
  readonly decision: (tenant: TenantId, id: string) => Promise<DecisionView | undefined>;
}

export interface PlanView {
  readonly input: PlanInput;
  readonly plan: Plan;
  /** The plan's reasons, each as a sentence, in its order. */
  readonly sentences: readonly string[];
}

export interface DemandForecast {
  readonly demand: string;
  readonly forecast: ({ readonly kind: 'ready' } & Forecast) | NoForecast;
  /** What the gate judges; null where it is not known. */
  readonly errorVsNaive?: number | null;
}

export interface DemandAccuracy {
  readonly demand: string;
  /** When the newest forecast was issued; null where there is none. */
  readonly issuedAt: Millis | null;
  /** Undefined where nothing that was issued is known to have come true. */
  readonly live: LiveAccuracy | undefined;
  /** What the gate judges, and the policy's limit for it. */
  readonly errorVsNaive: number | null;
  readonly limit: number;
  /** As of the last plan; undefined before there was one. */
  readonly trust: DemandTrust | undefined;
}

/** A decision as it was recorded. */
export interface DecisionView {
  readonly id: string;
  readonly at: Millis;
  readonly namespace: string;
  readonly policy: string;
  readonly mode: Decision['mode'];
  readonly plan: Plan;
  /** The decision as a person would tell it. */
  readonly sentences: readonly string[];
  /** What became of it: `observed`, `applied`, `unchanged`, `conflict`, … and why. */
  readonly outcome: { readonly kind: string; readonly message?: string };
  /** Left out of lists where it costs a read. */
  readonly input?: PlanInput;
}

export interface WorkloadDeps {
  /** What is known of each of the tenant's policies, from the last pass of the scale loop. */
  readonly workloads: (tenant: TenantId) => Promise<readonly WorkloadView[]>;
  /** Recorded demand, floor and replicas in the range, each one sample a step at most, gaps left out. */
  readonly picture: (
    tenant: TenantId,
    policy: ScalingPolicy,
    range: TimeRange,
    stepMs: number,
  ) => Promise<WorkloadPicture>;
  /** The what-if table. Undefined while there is none. */
  readonly replay: (tenant: TenantId) => Promise<ReplayTable | undefined>;
}

export interface WorkloadView {
  readonly policy: ScalingPolicy;
  readonly source: 'file' | 'resource' | 'http';
  /** Null before the first pass. */
  readonly last: {
    readonly at: Millis;
    readonly plan: Plan;
    readonly sentences: readonly string[];
    /** Of each demand's forecast, in the policy's order. */
    readonly trust?: readonly DemandTrust[];
  } | null;
  /** Null where the target could not be read. */
  readonly target: TargetReading | null;
  readonly leadTimeMs: number | null;
  /** What a person should know: the target is missing, the field was given up, the pass failed. */
  readonly troubles: readonly string[];
}

export interface WorkloadPicture {
  /** Of the policy's first demand. */
  readonly demand: Samples;
  readonly floor: Samples;
  readonly replicas: Samples;
}

/** What would have happened in the past, by strategy. */
export interface ReplayTable {
  readonly range: TimeRange;
  readonly rows: readonly ReplayRow[];
}

export interface ReplayRow {
  readonly namespace: string;
  readonly policy: string;
  /** `reactive`, `yesterday`, `foresail`, `oracle`. */
  readonly strategy: string;
  readonly minutesOverCapacity: number;
  /** 0 to 1, of the judged minutes. */
  readonly overCapacityRatio: number;
  /** Demand that no replica carried, in the demand's unit times minutes. */
  readonly unmetDemand: number;
  readonly podHours: number;
}

export interface ServerStatus {
  /** Of the caller's tenant. */
  readonly series: number;
  readonly samples: number;
  /** `demo`, `kubernetes https://…`, `off`. */
  readonly cluster: string;
  /** What is wrong with policy files and stored policies, a line each. */
  readonly problems: readonly string[];
}
