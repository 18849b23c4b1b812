import { RateLimitedError } from '../model/rate-limited.ts';
import type { TenantId } from '../model/tenant.ts';
import { countItems } from './count-items.ts';
import type { Intake } from './intake.ts';
import { splitByLabel } from './split-by-label.ts';
import { type Sender, type TenantRule, tenantOfSeries } from './tenant-of-series.ts';

/** What of a summary goes into that of the whole request. */
export interface PartSummary {
  readonly items: number;
  readonly stored: number;
  readonly refused: number;
  readonly deferred: number;
  readonly messages: readonly string[];
}

export interface LabelAppendDeps {
  readonly rule: TenantRule;
  readonly sender: Sender;
  readonly intake: Pick<Intake, 'take'>;
  /** Appends a request of one tenant's series. */
  readonly append: (tenant: TenantId, bytes: Uint8Array) => Promise<PartSummary>;
  /** Items that belong to no tenant, or to one that the sender may not write to, by reason. */
  readonly onDropped: (reason: string, items: number) => void;
  /** What of them the sender is to be told. */
  readonly onRefused?: (items: number, message: string) => void;
}

/**
 * Appends each series of a request to the tenant that its label names. A tenant over its rate, or a series that may not
 * be sent, takes nothing from the others; they are stored when this answers, and a retry of them is a success.
 * @throws {RateLimitedError} If a tenant was over its rate, after all others were stored.
 */
export async function appendByLabel(
  bytes: Uint8Array,
  protocol: '1.0' | '2.0',
  { rule, sender, intake, append, onDropped, onRefused }: LabelAppendDeps,
): Promise<PartSummary> {
  const { groups, rest } = splitByLabel(bytes, protocol, rule);
  const summaries: PartSummary[] = [];
  let limited: RateLimitedError | undefined;
  const store = async (tenant: TenantId, part: Uint8Array) => {
    try {
      intake.take(tenant, countItems(part, protocol));
    } catch (error) {
      if (!(error instanceof RateLimitedError)) throw error;
      // The longest wait is the one after which all can be sent again.
      if (limited === undefined || error.retryAfterSeconds > limited.retryAfterSeconds) limited = error;
      return;
    }
    summaries.push(await append(tenant, part));
  };
  for (const [value, part] of groups) {
    const whose = tenantOfSeries(value, rule, sender);
    if (whose.kind === 'tenant') {
      await store(whose.tenant, part);
      continue;
    }
    const items = countItems(part, protocol);
    onDropped(whose.reason, items);
    onRefused?.(items, `${items} samples: ${whose.message}`);
    summaries.push({ items, stored: 0, refused: items, deferred: 0, messages: [`${items} samples: ${whose.message}`] });
  }
  if (rest.length > 0) {
    // Metadata names no tenant: it is the sender's own, where it has one.
    if (sender.tenant !== undefined) await store(sender.tenant, rest);
    else onDropped('metadata', countItems(rest, protocol));
  }
  if (limited !== undefined) throw limited;
  const sum = (of: 'items' | 'stored' | 'refused' | 'deferred') => {
    return summaries.reduce((total, summary) => total + summary[of], 0);
  };
  return {
    items: sum('items'),
    stored: sum('stored'),
    refused: sum('refused'),
    deferred: sum('deferred'),
    messages: summaries.flatMap(({ messages }) => messages).slice(0, 3),
  };
}
