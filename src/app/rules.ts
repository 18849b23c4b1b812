import type { Router } from 'express';
import { type RuleGroupView, type RuleView, rulesRoutes } from '../http/routes/rules.ts';
import { type SloView, slosRoute } from '../http/routes/slos.ts';
import type { TellAlerts, Alert as ToldAlert } from '../model/alert.ts';
import { type Labels, labelsOf } from '../model/labels.ts';
import type { TenantId } from '../model/tenant.ts';
import { SECOND } from '../model/time.ts';
import { parseSeriesSelector } from '../promql/parse-series-selector.ts';
import { activeAlerts } from '../rules/alerting.ts';
import { carriedOver } from '../rules/carry-over.ts';
import type { RuleWorld } from '../rules/evaluate-group.ts';
import { type AlertingRule, parseRuleFile, type RuleGroup } from '../rules/rule-file.ts';
import { type GroupRun, type GroupState, openGroupRun, type RuleState, stateOfRule } from '../rules/run-group.ts';
import { alertsToTell, type RuleAlertToTell } from '../rules/told.ts';
import { writeRuleSamples } from '../rules/write-samples.ts';
import { callersOf } from './callers.ts';
import { tellerTarget } from './coordination.ts';
import type { Parts } from './parts.ts';
import { definitionOf, type RuleFileProblem, ruleFileReader } from './rule-files.ts';
import { type PlacedSlo, sloReader, sloView } from './slos.ts';

/** How soon a changed file is seen. */
const RELOAD_EVERY_MS = 5 * SECOND;
/** How often alerts are told that did not change meanwhile. */
const TELL_EVERY_MS = 30 * SECOND;

export type Rules = ReturnType<typeof openRules>;

/** A group and where it comes from. */
export interface PlacedGroup {
  readonly tenant: TenantId;
  readonly file: string;
  readonly group: RuleGroup;
}

interface Running {
  readonly placed: PlacedGroup;
  readonly definition: string;
  readonly run: GroupRun;
  /** Ends it, and resolves once nothing of it is under way. */
  stop(): Promise<void>;
}

/** Ties rules to the store, to those who are told of alerts, and to the requests. Nothing moves before `run`. */
export function openRules(parts: Parts, tell: TellAlerts) {
  const { settings, clock, log, metrics, samples, coordination, storage, queryStorage } = parts;
  const readFiles = ruleFileReader(settings.rules.files, (text) => {
    const { groups, problems } = parseRuleFile(text);
    return problems.length === 0 ? { kind: 'right', content: groups } : { kind: 'wrong', problems };
  });
  // Replicas with stores of their own need all series each; where they share an engine, one evaluates each group.
  const membership = samples.engine === undefined ? undefined : coordination.membership;
  const running = new Map<string, Running>();
  const readSlos = sloReader(settings, parts);
  let slos: readonly PlacedSlo[] = [];
  let problems: readonly RuleFileProblem[] = [];
  const { externalUrl } = settings;

  function worldOf(tenant: TenantId, signal: AbortSignal): RuleWorld {
    const writer = storage.tenant(tenant);
    const reader = queryStorage.tenant(tenant);
    return {
      query: (expression, time) =>
        reader.instant(expression, time, {
          signal: AbortSignal.any([signal, AbortSignal.timeout(settings.limits.queryTimeoutMs)]),
        }),
      async write(written) {
        try {
          const refusals = await writeRuleSamples(writer, written);
          const refused = refusals.filter((one, i) => one !== undefined && written[i]!.value !== 'stale').length;
          if (refused > 0) metrics.droppedSamples.inc({ reason: 'rule', tenant: parts.tenantNames(tenant) }, refused);
          return refusals;
        } catch (error) {
          metrics.droppedSamples.inc({ reason: 'rule', tenant: parts.tenantNames(tenant) }, written.length);
          return written.map(() => `cannot be stored: ${(error as Error).message}`);
        }
      },
      externalLabels: new Map(Object.entries(settings.externalLabels)),
      externalUrl,
      queryOffsetMs: settings.rules.queryOffsetMs,
    };
  }

  /** @param former The group that it takes the place of. Without, its alerts may be of before a restart. */
  function start(placed: PlacedGroup, former: Running | undefined, appSignal: AbortSignal): Running {
    const { tenant, file, group } = placed;
    const key = keyOf(placed);
    const ofGroup = { tenant: parts.tenantNames(tenant), rule_group: `${file};${group.name}` };
    const where = { tenant, file, group: group.name };
    // Alerts are made where they are told from; groups that only record are spread over the replicas.
    const hasAlerts = group.rules.some(({ kind }) => kind === 'alerting');
    const target = hasAlerts ? tellerTarget(tenant) : { namespace: 'rules', name: key };
    const own = new AbortController();
    const carried =
      former &&
      carriedOver({ group: former.run.group, memory: former.run.memory(), unended: former.run.unended() }, group);
    const run = openGroupRun(
      // One that was changed before it was restored is restored as it is now.
      { file, group, carried, restores: former === undefined || !former.run.isRestored() },
      {
        clock,
        monotonic: () => performance.now(),
        world: worldOf(tenant, appSignal),
        select: (matchers, range) => storage.tenant(tenant).select(matchers, range),
        restoreLimits: {
          outageToleranceMs: settings.rules.forOutageToleranceMs,
          gracePeriodMs: settings.rules.forGracePeriodMs,
        },
        intervalMs: settings.rules.evaluationIntervalMs,
        acts: () => membership === undefined || membership.tenureOf(target) !== undefined,
        onRule(rule, error, seconds) {
          metrics.ruleEvaluations.inc(ofGroup);
          metrics.ruleSeconds.observe(seconds);
          if (error === undefined) return;
          metrics.ruleFailures.inc(ofGroup);
          log.warn({ ...where, rule: rule.name, problem: error }, 'a rule cannot be evaluated');
        },
        async onIteration({ missed, seconds, slot, samples: made }) {
          metrics.ruleGroupIterations.inc(ofGroup, missed + 1);
          if (missed > 0) metrics.ruleGroupIterationsMissed.inc(ofGroup, missed);
          metrics.ruleGroupSeconds.set(ofGroup, seconds);
          metrics.ruleGroupLast.set(ofGroup, slot / SECOND);
          metrics.ruleGroupSamples.set(ofGroup, made);
          await tellChanges(running.get(key));
        },
        onRestoreFailure(rule, error) {
          metrics.ruleRestoreFailures.inc(ofGroup);
          log.warn(
            { ...where, err: error, rule: rule.name },
            'what alerts were active cannot be read: they begin anew',
          );
        },
      },
    );
    metrics.ruleGroupRules.set(ofGroup, group.rules.length);
    metrics.ruleGroupInterval.set(ofGroup, run.state().intervalMs / SECOND);
    const ended = run
      .run(AbortSignal.any([appSignal, own.signal]))
      .catch((error: unknown) => log.error({ ...where, err: error }, 'a group of rules is evaluated no longer'));
    return {
      placed,
      definition: definitionOf(group),
      run,
      async stop() {
        own.abort();
        await ended;
      },
    };
  }

  function forgetGauges({ placed: { tenant, file, group } }: Running): void {
    const ofGroup = { tenant: parts.tenantNames(tenant), rule_group: `${file};${group.name}` };
    for (const gauge of [
      metrics.ruleGroupRules,
      metrics.ruleGroupInterval,
      metrics.ruleGroupSeconds,
      metrics.ruleGroupLast,
      metrics.ruleGroupSamples,
    ]) {
      gauge.remove(ofGroup);
    }
  }

  /** Starts, changes and ends groups as the files say now. */
  async function reconcile(signal: AbortSignal): Promise<void> {
    const { files, problems: found } = readFiles();
    const objectives = await readSlos();
    slos = objectives.slos;
    const wanted = new Map<string, PlacedGroup>();
    for (const { tenant, file, content } of files) {
      for (const group of content) {
        const placed = { tenant, file, group };
        wanted.set(keyOf(placed), placed);
      }
    }
    for (const placed of slos) wanted.set(keyOf(placed), placed);
    tellProblems([...found, ...objectives.problems]);
    for (const [key, one] of running) {
      if (wanted.has(key)) continue;
      change(key, async () => {
        await one.stop();
        await one.run.end();
        running.delete(key);
        forgetGauges(one);
      });
    }
    for (const [key, placed] of wanted) {
      const before = running.get(key);
      if (before === undefined) {
        if (!changing.has(key)) running.set(key, start(placed, undefined, signal));
      } else if (before.definition !== definitionOf(placed.group)) {
        change(key, async () => {
          await before.stop();
          running.set(key, start(placed, before, signal));
        });
      }
    }
  }

  /** Groups that are ended or changed now: what is evaluated comes to its end first, and keeps no other group waiting. */
  const changing = new Map<string, Promise<void>>();

  /** What else is wanted of the group meanwhile is seen once that is done. */
  function change(key: string, how: () => Promise<void>): void {
    if (changing.has(key)) return;
    const done = how()
      .catch((error: unknown) => log.error({ err: error, group: key }, 'a group of rules cannot be changed now'))
      .finally(() => changing.delete(key));
    changing.set(key, done);
  }

  function tellProblems(found: readonly RuleFileProblem[]): void {
    for (const { tenant, text } of found.filter((one) => !problems.some(({ text: said }) => said === one.text))) {
      log.error({ tenant, problem: text }, 'a file of rules is wrong: the last right one stays in force');
    }
    problems = found;
    metrics.ruleFileProblems.set(found.length);
  }

  /** What was told last of each group, so that what changed is told at once. */
  const told = new WeakMap<Running, string>();

  async function tellChanges(one: Running | undefined): Promise<void> {
    if (one === undefined) return;
    const alerts = toldAlerts(one);
    // That one is believed for longer is no change.
    const ended = ({ endsAt }: ToldAlert) => (endsAt === undefined || endsAt > clock.now() ? '' : endsAt);
    const now = alerts.map((alert) => `${JSON.stringify(alert.labels)} ${ended(alert)}`).join('\n');
    if (told.get(one) === now || (alerts.length === 0 && !told.has(one))) return;
    // What could not be told is told again after the next evaluation.
    if (await tellThem(one.placed.tenant, alerts)) told.set(one, now);
  }

  function toldAlerts({ run }: Running): readonly ToldAlert[] {
    const { rules, intervalMs } = run.state();
    return rules.flatMap((state) => {
      const { rule } = state;
      if (rule.kind !== 'alerting') return [];
      return alertsToTell(state, intervalMs, clock.now()).map((one) => toldAlert(one, rule));
    });
  }

  function toldAlert({ alert, endsAt }: RuleAlertToTell, { expression }: AlertingRule): ToldAlert {
    const { labels, annotations, firedAt, activeAt } = alert;
    return {
      labels: labelsOf({ ...settings.externalLabels, ...Object.fromEntries(labels) }),
      annotations: Object.fromEntries(annotations),
      startsAt: firedAt ?? activeAt,
      endsAt,
      generatorUrl: `${externalUrl}/graph?g0.expr=${encodeURIComponent(expression)}&g0.tab=1`,
    };
  }

  async function tellThem(tenant: TenantId, alerts: readonly ToldAlert[]): Promise<boolean> {
    if (alerts.length === 0) return true;
    try {
      await tell(tenant, alerts);
      return true;
    } catch (error) {
      metrics.ruleTellFailures.inc(alerts.length);
      log.error(
        { err: error, tenant, alerts: alerts.length },
        'alerts of rules cannot be told now, and are told again',
      );
      return false;
    }
  }

  function gaugeStates(): void {
    metrics.ruleAlerts.reset();
    const counts = new Map<string, number>();
    for (const { placed, run } of running.values()) {
      const tenant = parts.tenantNames(placed.tenant);
      for (const { rule, alerts } of run.state().rules) {
        if (rule.kind !== 'alerting') continue;
        for (const state of ['pending', 'firing'] as const) {
          const key = JSON.stringify([tenant, state]);
          counts.set(key, (counts.get(key) ?? 0) + alerts.filter((alert) => alert.state === state).length);
        }
      }
    }
    for (const [key, count] of counts) {
      const [tenant, state] = JSON.parse(key) as [string, string];
      metrics.ruleAlerts.set({ tenant, state }, count);
    }
  }

  const statesOf = (tenant: TenantId): readonly GroupState[] =>
    [...running.values()]
      .filter(({ placed }) => placed.tenant === tenant)
      .map(({ run }) => run.state())
      .sort((a, b) => compareText(a.file, b.file) || compareText(a.group.name, b.group.name));

  const { callerOf } = callersOf(settings);

  async function slosOf(tenant: TenantId) {
    const { instant } = queryStorage.tenant(tenant);
    const views: SloView[] = [];
    for (const placed of slos.filter((one) => one.tenant === tenant)) {
      const states = running.get(keyOf(placed))?.run.state().rules.map(stateOfRule) ?? [];
      const state = (['firing', 'pending', 'inactive'] as const).find((one) => states.includes(one)) ?? 'unknown';
      views.push(await sloView(placed, state, clock.now(), instant));
    }
    return views;
  }

  return {
    /** What is wrong with a tenant's files of rules, a line each. */
    problems: (tenant: TenantId) => problems.filter((one) => one.tenant === tenant).map(({ text }) => text),
    routes: [
      (router: Router) =>
        rulesRoutes(router, {
          callerOf,
          parseSelector: parseSeriesSelector,
          ruleGroups: (tenant) => statesOf(tenant).map(groupView),
        }),
      (router: Router) => slosRoute(router, { callerOf, slos: slosOf }),
    ],
    async run(signal: AbortSignal): Promise<void> {
      let toldAt = clock.now();
      while (!signal.aborted) {
        try {
          await reconcile(signal);
        } catch (error) {
          log.error({ err: error }, 'files of rules cannot be read');
        }
        if (clock.now() - toldAt >= TELL_EVERY_MS || clock.now() < toldAt) {
          toldAt = clock.now();
          for (const one of running.values()) await tellThem(one.placed.tenant, toldAlerts(one));
        }
        gaugeStates();
        await clock.sleep(RELOAD_EVERY_MS, signal).catch(() => {});
      }
      await Promise.all(changing.values());
      await Promise.all([...running.values()].map((one) => one.stop()));
    },
  };
}

function keyOf({ tenant, file, group }: PlacedGroup): string {
  return `${tenant}/${file};${group.name}`;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function groupView({ file, group, intervalMs, evaluatedAt, seconds, rules }: GroupState): RuleGroupView {
  const { name, limit } = group;
  return { ...{ name, file, intervalMs, limit, evaluatedAt, seconds }, rules: rules.map(ruleView) };
}

function ruleView(state: RuleState): RuleView {
  const { rule, health, error, evaluatedAt, seconds, alerts } = state;
  const { name, expression } = rule;
  const common = { ...{ name, expression, health, error, evaluatedAt, seconds }, labels: sorted(rule.labels) };
  if (rule.kind === 'recording') return { kind: 'recording', ...common };
  const active = activeAlerts(new Map(alerts.map((alert, i) => [String(i), alert])));
  return {
    kind: 'alerting',
    ...common,
    state: stateOfRule(state),
    forMs: rule.forMs,
    keepFiringForMs: rule.keepFiringForMs,
    annotations: sorted(rule.annotations),
    alerts: active.map(({ state: own, labels, annotations, activeAt, keepFiringSince, value }) => ({
      ...{ labels, annotations, activeAt, keepFiringSince, value },
      state: own as 'pending' | 'firing',
    })),
  };
}

function sorted(texts: ReadonlyMap<string, string>): Labels {
  return [...texts].sort(([a], [b]) => compareText(a, b));
}
