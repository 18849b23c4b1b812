import type { AlarmOptions } from '../anomaly/alarm.ts';
import type { Labels } from '../model/labels.ts';
import type { TenantId } from '../model/tenant.ts';
import type { DemandSpec, ScalingPolicy } from '../scaling/policy.ts';

/** `verdicts`: whether it is anomalous, and the score. */
export type WrittenSeries = 'all' | 'verdicts' | 'none';

/** Something that is watched for anomalies: the series of a query, or a policy's demand. */
export interface Watch {
  readonly tenant: TenantId;
  /** Of its own within the tenant: `query/NAME`, or `demand/NAMESPACE/POLICY/NAME`. */
  readonly key: string;
  /** First part of the names of what is written. */
  readonly name: string;
  readonly query: string;
  readonly stepMs: number;
  /** What is learnt from before anything is told. */
  readonly historyMs: number;
  /** Added where a series has no label of the name. */
  readonly labels: Labels;
  readonly group: readonly string[];
  /** Each series is judged by what it is off the median of its group. */
  readonly peers: boolean;
  readonly timeZone: string;
  readonly maxSeries: number;
  readonly alarm: AlarmOptions;
  /** One of many that has no samples any more is missing, too, where nothing explains it. Left out: it has ended. */
  readonly missingMembers?: boolean;
  /** Which series are written. Left out: all. */
  readonly writes?: WrittenSeries;
  /** Of a policy's demand. */
  readonly demand: { readonly policy: ScalingPolicy; readonly spec: DemandSpec } | undefined;
}

/** What was learnt of other series must not be taken for what this watch's do. */
export function watchFingerprint({ query, stepMs, peers }: Watch): string {
  return JSON.stringify({ query, stepMs, peers });
}
