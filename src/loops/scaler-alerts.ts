import { type Alert, END_TOLD_FOR_MS, type Severity, type TellAlerts } from '../model/alert.ts';
import type { TenantId } from '../model/tenant.ts';
import { formatInstant, HOUR, MINUTE, type Millis } from '../model/time.ts';
import type { DecisionDraft } from '../scaling/decision-types.ts';
import { demotionText, reasonText } from '../scaling/reasons.ts';
import { decodeJson, encodeJson } from '../storage/json-value.ts';
import { type KeyValue, keysUnder } from '../storage/key-value.ts';
import { RUNBOOK } from './budget-alert.ts';
import type { PassNotes } from './scale-loop.ts';
import { type LoopTelemetry, reasonOf } from './telemetry.ts';
import type { TenantPolicy } from './tenant-policy.ts';

/** What the last pass over a policy decided and could not do. */
export interface ScalerView extends TenantPolicy {
  /** Whether this process acts on it. Another one tells of it where it does not. */
  readonly acts: boolean;
  /** Undefined until a pass has seen it. */
  readonly last: DecisionDraft | undefined;
  readonly notes: PassNotes | undefined;
}

export interface ScalerAlertsDeps {
  readonly now: () => Millis;
  readonly telemetry: Pick<LoopTelemetry, 'count'>;
  readonly keyValue: Pick<KeyValue, 'write' | 'list'>;
  /** Where people reach this server. */
  readonly url: string;
  /** Policies in force, and whether that is all of them: one that cannot be read now may still be meant to be. */
  readonly views: () => Promise<{ readonly views: readonly ScalerView[]; readonly isComplete: boolean }>;
  readonly tell: TellAlerts;
}

/** What an operator has to know of the scaler's work for a policy. */
interface Finding {
  /** Changes where something else is wrong. */
  readonly code: string;
  readonly summary: string;
  readonly reason: string;
}

/** One kind of alert: when it fires, and what is to be done. */
interface Kind {
  readonly severity: Severity;
  /** It has to last for so long. */
  readonly forMs: number;
  readonly remedy: (name: string) => string;
  readonly find: (of: {
    readonly name: string;
    readonly last: DecisionDraft | undefined;
    readonly notes: PassNotes;
  }) => Finding | undefined;
}

const DEMOTED: readonly string[] = ['WorseThanNaive', 'CoverageBroken', 'ForecastNotFinite'];
const GIVEN_UP: readonly string[] = ['give-up', 'given-up'];

const KINDS: Readonly<Record<string, Kind>> = {
  ForesailForecastDemoted: {
    severity: 'warning',
    forMs: 15 * MINUTE,
    remedy: (name) =>
      `See what became true of it: foresail accuracy --policy ${name}. Declare what is known as an event, exclude what must not be learned, or wait: it is trusted again by itself.`,
    find({ name, last }) {
      const demotion = last?.plan.demotion;
      if (demotion == null || !DEMOTED.includes(demotion.code)) return undefined;
      const summary = `${name} does not trust its forecast (${demotion.code}) and scales reactively`;
      return { code: demotion.code, summary, reason: demotionText(demotion) };
    },
  },
  ForesailTargetContested: {
    severity: 'warning',
    forMs: 2 * MINUTE,
    remedy: (name) =>
      `Take the minimum out of what the other manager applies; then pause ${name} for a minute, or remove the annotation foresail.dev/ownership: docs/how-to/gitops.md.`,
    find({ name, last }) {
      if (last === undefined) return undefined;
      const { ownership, act } = last;
      if (GIVEN_UP.includes(ownership.kind)) {
        return { code: 'GivenUp', summary: `${name} gave its target up to another manager`, reason: ownership.message };
      }
      if (act.kind !== 'owned') return undefined;
      return { code: 'Owned', summary: `another manager holds the bounds of ${name}`, reason: act.message };
    },
  },
  ForesailTargetRefused: {
    severity: 'warning',
    forMs: 10 * MINUTE,
    remedy: (name) =>
      `A 403: mend the rights (docs/how-to/run-on-a-cluster.md#what-it-may-do). A webhook or a quota: ask its owner. Not there: correct the target of ${name}. No answer: the API server.`,
    find({ name, last, notes }) {
      if (!notes.readable) {
        const reason = notes.problems.join('; ');
        return { code: 'TargetUnreadable', summary: `the target of ${name} cannot be read`, reason };
      }
      if (last?.act.kind !== 'refused' && last?.act.kind !== 'failed') return undefined;
      return { code: last.act.kind, summary: `the bounds of ${name} cannot be written`, reason: last.act.message };
    },
  },
  ForesailDemandStale: {
    severity: 'warning',
    forMs: 10 * MINUTE,
    remedy: (name) =>
      `Look at who sends the demand of ${name} (samples that stopped, a metric that was renamed), and try its query: foresail query.`,
    find({ name, last, notes }) {
      if (notes.readable && notes.problems.length > 0) {
        const reason = notes.problems.join('; ');
        return { code: 'DemandUnreadable', summary: `a demand of ${name} cannot be asked for`, reason };
      }
      const demotion = last?.plan.demotion;
      if (demotion?.code !== 'ForecastStale') return undefined;
      const summary = `no new demand of ${name} comes in: its floor is held and then released`;
      return { code: demotion.code, summary, reason: demotionText(demotion) };
    },
  },
  ForesailPolicyHeld: {
    severity: 'warning',
    forMs: 15 * MINUTE,
    remedy: (name) =>
      `If the demand is real, raise the lower of replicas.max of ${name} and its autoscaler's own maximum, or the cost budget that caps it; if it is not, check the query and perReplica.`,
    find({ name, last }) {
      const reason = last?.plan.reasons.find(({ code }) => code === 'TooManyReplicas' || code === 'CostCap');
      if (last === undefined || reason === undefined) return undefined;
      const { bounds } = last.plan;
      const summary = `${name} asks for more replicas than its limits allow: the floor is ${bounds.min}`;
      return { code: reason.code, summary, reason: reasonText(reason) };
    },
  },
};

/** What is kept of an alert of a policy. Plain JSON. */
interface Kept {
  /** Of the alert that it will be told as. */
  readonly labels: Alert['labels'];
  readonly code: string;
  readonly since: Millis;
  /** Undefined until it has lasted for long enough. */
  readonly annotations?: Alert['annotations'];
  /** When what it says was last looked at. */
  readonly saidAt?: Millis;
  /** Nothing was wrong any more from then on. */
  readonly clearAt?: Millis;
  readonly isOver?: true;
}

type KeptOfPolicy = Readonly<Record<string, Kept>>;

const PREFIX = 'scaler-alert/';
/** What is over for a moment is not over. */
const CLEAR_MS = 5 * MINUTE;
/** After that another process that acts on the policy may have told an end. */
const IDLE_MS = 4 * MINUTE;
/** The figures of an alert that lasts are said anew so often. */
const SAID_EVERY_MS = HOUR;

/**
 * Tells of each policy that enforces what keeps the scaler from its work, as alerts of its tenant: once it has lasted for
 * a while, and its end once it is over. What goes on is kept, so that an end is told after a restart.
 */
export function openScalerAlerts(deps: ScalerAlertsDeps) {
  const kept = new Map<string, KeptOfPolicy>();
  /** Since when this process does not act on the policy of which it keeps something. */
  const idleSince = new Map<string, Millis>();
  let isLoaded = false;

  async function load(): Promise<void> {
    for await (const [key, bytes] of deps.keyValue.list(keysUnder(PREFIX))) {
      kept.set(key.slice(PREFIX.length), decodeJson<KeptOfPolicy>(bytes));
    }
    isLoaded = true;
  }

  async function keep(id: string, before: KeptOfPolicy | undefined, after: KeptOfPolicy): Promise<void> {
    if (JSON.stringify(before ?? {}) === JSON.stringify(after)) return;
    const isEmpty = Object.keys(after).length === 0;
    await deps.keyValue.write([{ key: `${PREFIX}${id}`, value: isEmpty ? undefined : encodeJson(after) }]);
    if (isEmpty) kept.delete(id);
    else kept.set(id, after);
  }

  function judged(before: KeptOfPolicy | undefined, view: ScalerView, now: Millis): KeptOfPolicy {
    const { policy, last, notes } = view;
    // Before its first pass nobody knows: what goes on goes on.
    if (notes === undefined) return before ?? {};
    const name = `${policy.namespace}/${policy.name}`;
    const isQuiet = policy.mode !== 'enforce' || policy.paused;
    const after: Record<string, Kept> = {};
    for (const [alertname, kind] of Object.entries(KINDS)) {
      const one = before?.[alertname];
      const finding = isQuiet ? undefined : kind.find({ name, last, notes });
      const next = finding === undefined ? cleared(one, now) : going(one, { alertname, kind, finding, view, now });
      if (next !== undefined) after[alertname] = next;
    }
    return after;
  }

  function going(
    before: Kept | undefined,
    of: {
      readonly alertname: string;
      readonly kind: Kind;
      readonly finding: Finding;
      readonly view: ScalerView;
      readonly now: Millis;
    },
  ): Kept {
    const { alertname, kind, finding, view, now } = of;
    const { namespace, name: policy, target } = view.policy;
    const { code } = finding;
    if (before === undefined || before.isOver === true) {
      const labels = { alertname, namespace, policy, severity: kind.severity, workload: target.name };
      return { labels: Object.entries(labels), code, since: now };
    }
    const { clearAt: _, ...same } = before;
    const isNew =
      before.annotations === undefined || code !== before.code || now - (before.saidAt ?? 0) >= SAID_EVERY_MS;
    if (now - before.since < kind.forMs || !isNew)
      return { ...same, ...(before.annotations === undefined && { code }) };
    return { ...same, code, saidAt: now, annotations: annotationsOf(of) };
  }

  function annotationsOf({ alertname, kind, finding, view }: Parameters<typeof going>[1]): Alert['annotations'] {
    const { policy, last } = view;
    const name = `${policy.namespace}/${policy.name}`;
    return {
      summary: finding.summary,
      description: [capital(finding.reason), figuresOf(last)].filter((text) => text !== '').join('. '),
      reason: finding.code,
      remedy: kind.remedy(name),
      runbook_url: `${RUNBOOK}#${alertname.toLowerCase()}`,
      picture: `${deps.url}/#${name}`,
    };
  }

  async function pass(): Promise<void> {
    if (!isLoaded) await load();
    const now = deps.now();
    const { views, isComplete } = await deps.views();
    const seen = new Set<string>();
    for (const view of views) {
      const id = `${view.tenant}/${view.policy.namespace}/${view.policy.name}`;
      seen.add(id);
      const before = kept.get(id);
      if (view.acts) await keep(id, before, judged(before, view, now));
      if (view.acts) idleSince.delete(id);
      else if (before !== undefined) {
        // After a restart, or while a lease is renewed, it is so for a moment: what goes on goes on.
        const since = Math.min(idleSince.get(id) ?? now, now);
        idleSince.set(id, since);
        if (now - since < IDLE_MS) continue;
        await keep(id, before, {});
        idleSince.delete(id);
      }
    }
    for (const [id, before] of [...kept]) {
      if (!isComplete || seen.has(id)) continue;
      idleSince.delete(id);
      await keep(id, before, ended(before, now));
    }
    await tellAll();
  }

  async function tellAll(): Promise<void> {
    const byTenant = new Map<TenantId, Alert[]>();
    for (const [id, alerts] of kept) {
      if (idleSince.has(id)) continue;
      const tenant = id.slice(0, id.indexOf('/')) as TenantId;
      const told = byTenant.get(tenant) ?? [];
      for (const one of Object.values(alerts))
        if (one.annotations !== undefined) told.push(alertOf(one, one.annotations));
      if (told.length > 0) byTenant.set(tenant, told);
    }
    for (const [tenant, alerts] of byTenant) {
      try {
        await deps.tell(tenant, alerts);
      } catch (error) {
        deps.telemetry.count('loopFailures', { loop: 'scaler-alerts', reason: `tell-${reasonOf(error)}` });
      }
    }
  }

  function alertOf({ labels, since, clearAt, isOver }: Kept, annotations: Alert['annotations']): Alert {
    const of = new Map(labels);
    return {
      ...{ labels, annotations, startsAt: since },
      ...(isOver === true && clearAt !== undefined && { endsAt: clearAt }),
      generatorUrl: `${deps.url}/api/v1/policies/${of.get('namespace')}/${of.get('policy')}/decisions`,
    };
  }

  return { pass };
}

/** What is not found any more: forgotten where nobody was told, over once it has been so for a while. */
function cleared(before: Kept | undefined, now: Millis): Kept | undefined {
  if (before === undefined || before.annotations === undefined) return undefined;
  const clearAt = Math.min(before.clearAt ?? now, now);
  if (before.isOver === true) return now - clearAt < CLEAR_MS + END_TOLD_FOR_MS ? before : undefined;
  return now - clearAt < CLEAR_MS ? { ...before, clearAt } : { ...before, clearAt, isOver: true };
}

/** Of a policy that is no more. */
function ended(before: KeptOfPolicy, now: Millis): KeptOfPolicy {
  const after: Record<string, Kept> = {};
  for (const [alertname, one] of Object.entries(before)) {
    const next = cleared(
      one.isOver === true ? one : { ...one, clearAt: Math.min(one.clearAt ?? now, now - CLEAR_MS) },
      now,
    );
    if (next !== undefined) after[alertname] = next;
  }
  return after;
}

function figuresOf(last: DecisionDraft | undefined): string {
  if (last === undefined) return '';
  const { at, plan, input } = last;
  const { min, max } = plan.bounds;
  const { replicas } = input.policy;
  return `Decided at ${formatInstant(at)}: a floor of ${min} and a maximum of ${max}, within the policy's ${replicas.min} to ${replicas.max}; ${input.target.statusReplicas} replicas run`;
}

function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
