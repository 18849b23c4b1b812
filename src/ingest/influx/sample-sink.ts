import { RateLimitedError } from '../../model/rate-limited.ts';
import type { TenantId } from '../../model/tenant.ts';
import type { SeriesWriter } from '../../storage/write.ts';
import { appendSamples, type Loss, type SentSample } from '../append-samples.ts';
import { labelLimitsOf } from '../check-labels.ts';
import type { Intake } from '../intake.ts';
import { type Sender, type TenantRule, tenantOfSeries } from '../tenant-of-series.ts';

type Writer = Pick<SeriesWriter, 'ref' | 'write' | 'commit'>;

/** Where the samples of a request go. */
export interface SampleSink {
  /** @returns The losses. */
  append(samples: readonly SentSample[]): Promise<readonly Loss[]>;
  /** @throws {RateLimitedError} If a tenant was over its rate, after all others' samples are durable. */
  commit(): Promise<void>;
}

/** What became of one tenant's samples. */
export interface TenantCounts {
  items: number;
  stored: number;
  readonly dropped: Map<string, number>;
}

export interface SinkDeps {
  readonly storage: { tenant(id: TenantId): Writer };
  readonly intake: Pick<Intake, 'take' | 'limitsOf'>;
  /** By tenant, of what was appended. */
  readonly counts: Map<TenantId, TenantCounts>;
}

/** All samples are one tenant's, who is charged elsewhere. */
export function sinkOf(tenant: TenantId, deps: SinkDeps): SampleSink {
  const writer = deps.storage.tenant(tenant);
  return {
    append: (samples) => appendTo(writer, tenant, samples, deps),
    commit: () => writer.commit(),
  };
}

/** Each sample is its label's tenant's. One over its rate takes nothing from the others. */
export function sinkByLabel(rule: TenantRule, sender: Sender, deps: SinkDeps): SampleSink {
  // One for the whole request: a writer commits what it was given itself, where an engine keeps the samples.
  const used = new Map<TenantId, Writer>();
  let limited: RateLimitedError | undefined;
  const charge = (tenant: TenantId, samples: number): boolean => {
    try {
      deps.intake.take(tenant, samples);
      return true;
    } catch (error) {
      if (!(error instanceof RateLimitedError)) throw error;
      if (limited === undefined || error.retryAfterSeconds > limited.retryAfterSeconds) limited = error;
      return false;
    }
  };
  return {
    async append(samples) {
      const losses: Loss[] = [];
      for (const [value, group] of grouped(samples, rule.label)) {
        const whose = tenantOfSeries(value, rule, sender);
        if (whose.kind === 'refused') {
          losses.push(...group.map(({ line }) => ({ ...whose, line })));
          continue;
        }
        const { tenant } = whose;
        if (!charge(tenant, group.length)) {
          losses.push(...group.map(({ line }) => ({ kind: 'limited' as const, line, reason: 'rate_limited' })));
          continue;
        }
        const writer = used.get(tenant) ?? deps.storage.tenant(tenant);
        used.set(tenant, writer);
        const own = rule.keep ? group : group.map((sample) => withoutLabel(sample, rule.label));
        losses.push(...(await appendTo(writer, tenant, own, deps)));
      }
      return losses.sort((a, b) => a.line - b.line);
    },
    async commit() {
      for (const writer of used.values()) await writer.commit();
      if (limited !== undefined) throw limited;
    },
  };
}

async function appendTo(
  writer: Writer,
  tenant: TenantId,
  samples: readonly SentSample[],
  { intake, counts }: SinkDeps,
): Promise<readonly Loss[]> {
  const losses = await appendSamples(samples, writer, labelLimitsOf(intake.limitsOf(tenant)));
  const own = counts.get(tenant) ?? { items: 0, stored: 0, dropped: new Map() };
  counts.set(tenant, own);
  own.items += samples.length;
  own.stored += samples.length - losses.length;
  for (const { reason } of losses) own.dropped.set(reason, (own.dropped.get(reason) ?? 0) + 1);
  return losses;
}

function grouped(samples: readonly SentSample[], label: string): ReadonlyMap<string, readonly SentSample[]> {
  const groups = new Map<string, SentSample[]>();
  for (const sample of samples) {
    const value = sample.labels.find(([name]) => name === label)?.[1] ?? '';
    const group = groups.get(value) ?? [];
    groups.set(value, group);
    group.push(sample);
  }
  return groups;
}

function withoutLabel(sample: SentSample, label: string): SentSample {
  return { ...sample, labels: sample.labels.filter(([name]) => name !== label) };
}
