import type { Clock } from '../model/clock.ts';
import type { Labels } from '../model/labels.ts';
import { type Millis, SECOND } from '../model/time.ts';
import { type Alert, activeAlerts } from './alerting.ts';
import { type CarriedOver, seriesOf } from './carry-over.ts';
import { evaluateGroup, NO_MEMORY, type RuleMemory, type RuleWorld } from './evaluate-group.ts';
import { type RestoreLimits, restoredAlerts, type SelectSeries } from './restore.ts';
import type { Rule, RuleGroup } from './rule-file.ts';
import { slotsOf } from './slots.ts';

export type RuleHealth = 'unknown' | 'ok' | 'err';

/** What is known of a rule after its last evaluation. */
export interface RuleState {
  readonly rule: Rule;
  readonly health: RuleHealth;
  readonly error: string | undefined;
  /** Undefined: it was not evaluated yet. */
  readonly evaluatedAt: Millis | undefined;
  readonly seconds: number;
  /** Of an alerting rule, those that were resolved lately included. */
  readonly alerts: readonly Alert[];
  /** When they were found so: later evaluations failed. */
  readonly foundAt: Millis | undefined;
}

export interface GroupState {
  readonly file: string;
  readonly group: RuleGroup;
  readonly intervalMs: number;
  readonly evaluatedAt: Millis | undefined;
  readonly seconds: number;
  readonly rules: readonly RuleState[];
}

export interface GroupRunDeps {
  readonly clock: Clock;
  /** Milliseconds of a clock that nobody sets. */
  readonly monotonic: () => Millis;
  readonly world: RuleWorld;
  readonly select: SelectSeries;
  readonly restoreLimits: RestoreLimits;
  /** Where the group says none. */
  readonly intervalMs: number;
  /** Whether this process evaluates the group now, where several share it. */
  readonly acts: () => boolean;
  readonly onRule?: (rule: Rule, error: string | undefined, seconds: number) => void;
  /** After each evaluation of the whole group. */
  readonly onIteration?: (of: {
    readonly missed: number;
    readonly seconds: number;
    readonly slot: Millis;
    readonly samples: number;
  }) => Promise<void> | void;
  /** What `ALERTS_FOR_STATE` has cannot be read: alerts begin anew. */
  readonly onRestoreFailure?: (rule: Rule, error: unknown) => void;
}

export interface GroupRun {
  readonly group: RuleGroup;
  readonly memory: () => readonly RuleMemory[];
  /** Series of rules before it that are yet to be ended. */
  readonly unended: () => readonly Labels[];
  /** Whether its alerts were taken up again after a start, or need not be. */
  readonly isRestored: () => boolean;
  state(): GroupState;
  /** Evaluates at each slot until aborted; what is under way then is ended first. */
  run(signal: AbortSignal): Promise<void>;
  /** Writes that all series of the group end: its rules are no more. */
  end(): Promise<void>;
}

export interface GroupStart {
  readonly file: string;
  readonly group: RuleGroup;
  /** What the group before it left, where its file was changed. */
  readonly carried?: CarriedOver | undefined;
  /** Whether its alerts may have been active before this process began. */
  readonly restores: boolean;
}

interface Evaluated {
  readonly at: Millis;
  readonly seconds: number;
}

/** One group that is evaluated again and again at its slots. */
export function openGroupRun({ file, group, carried, restores }: GroupStart, deps: GroupRunDeps): GroupRun {
  const { clock, monotonic, world } = deps;
  const intervalMs = group.intervalMs || deps.intervalMs;
  const slots = slotsOf(file, group.name, intervalMs);
  const offsetMs = group.queryOffsetMs ?? world.queryOffsetMs ?? 0;
  const nothing = (): readonly RuleMemory[] => group.rules.map(() => NO_MEMORY);
  let memory: readonly RuleMemory[] = carried?.memory ?? nothing();
  let ended: readonly Labels[] = carried?.ended ?? [];
  let restored = !restores;
  let evaluations = 0;
  let last: Evaluated | undefined;
  let lastOfRules: (Evaluated | undefined)[] = group.rules.map(() => undefined);

  function forget(): void {
    memory = nothing();
    ended = [];
    restored = false;
    evaluations = 0;
    last = undefined;
    lastOfRules = group.rules.map(() => undefined);
  }

  async function evaluate(slot: Millis, missed: number, signal: AbortSignal): Promise<void> {
    const began = monotonic();
    const at = clock.now();
    let ruleBegan = began;
    let ruleAt = at;
    let samples = 0;
    const next = [...memory];
    await evaluateGroup(group, memory, slot, {
      ...world,
      withholdsAlerts: !restored,
      onRule(i, own, count) {
        // What was evaluated all the same counts: it was written.
        if (signal.aborted && own.error !== undefined) return;
        const seconds = Math.max(0, monotonic() - ruleBegan) / SECOND;
        next[i] = own;
        memory = [...next];
        lastOfRules[i] = { at: ruleAt, seconds };
        samples += count;
        deps.onRule?.(group.rules[i]!, own.error, seconds);
        ruleBegan = monotonic();
        ruleAt = clock.now();
      },
    });
    if (signal.aborted) return;
    if (ended.length > 0) {
      await endSeries(ended, slot - offsetMs);
      ended = [];
    }
    const seconds = Math.max(0, monotonic() - began) / SECOND;
    last = { at, seconds };
    evaluations++;
    // As in Prometheus: by then what the rules stand on has been recorded again.
    if (!restored && evaluations >= 2) await restore();
    await deps.onIteration?.({ missed, seconds, slot, samples });
  }

  async function restore(): Promise<void> {
    const now = clock.now();
    const next: RuleMemory[] = [];
    for (const [i, rule] of group.rules.entries()) {
      const own = memory[i]!;
      if (rule.kind === 'recording') {
        next.push(own);
        continue;
      }
      try {
        const alerts = await restoredAlerts(rule, own.alerts, now, { ...deps.restoreLimits, select: deps.select });
        next.push({ ...own, alerts });
      } catch (error) {
        deps.onRestoreFailure?.(rule, error);
        next.push(own);
      }
    }
    memory = next;
    restored = true;
  }

  async function endSeries(series: readonly Labels[], time: Millis): Promise<void> {
    await world.write(series.map((labels) => ({ labels, time, value: 'stale' as const })));
  }

  return {
    group,
    memory: () => memory,
    unended: () => ended,
    isRestored: () => restored,
    state: () => ({
      file,
      group,
      intervalMs,
      evaluatedAt: last?.at,
      seconds: last?.seconds ?? 0,
      rules: group.rules.map((rule, i): RuleState => {
        const { error, alerts, foundAt } = memory[i]!;
        const of = lastOfRules[i];
        const health = of === undefined ? 'unknown' : error === undefined ? 'ok' : 'err';
        const evaluated = { evaluatedAt: of?.at, seconds: of?.seconds ?? 0 };
        return { rule, health, error, ...evaluated, alerts: [...alerts.values()], foundAt };
      }),
    }),
    async run(signal) {
      let acted = true;
      let next = slots.after(slots.at(clock.now()));
      while (!signal.aborted) {
        const now = clock.now();
        // A clock that was set back makes nobody wait for longer than one interval.
        if (next - now > 2 * intervalMs) next = slots.after(slots.at(now));
        if (now < next) {
          await clock.sleep(next - now, signal).catch(() => {});
          continue;
        }
        if (!deps.acts()) {
          if (acted) forget();
          acted = false;
          next = slots.after(slots.at(now));
          continue;
        }
        acted = true;
        const missed = Math.floor((now - next) / intervalMs);
        if (missed > 0) next = slots.after(next, missed);
        await evaluate(next, missed, signal);
        next = slots.after(next);
      }
    },
    end: () => endSeries([...seriesOf(memory), ...ended], clock.now() - offsetMs),
  };
}

/** What a rule's alerts come to: the state that Prometheus shows of it. */
export function stateOfRule({ alerts, health }: RuleState): 'inactive' | 'pending' | 'firing' | 'unknown' {
  if (health === 'unknown') return 'unknown';
  const active = activeAlerts(new Map(alerts.map((alert, i) => [String(i), alert])));
  if (active.some(({ state }) => state === 'firing')) return 'firing';
  return active.length > 0 ? 'pending' : 'inactive';
}
