import { formatDuration } from '../../model/time.ts';
import { reasonText } from '../../scaling/reasons.ts';
import { stateOf, type WorkloadState } from '../answers.ts';
import type { DecisionView, DemandForecast, WorkloadPicture, WorkloadView } from '../deps.ts';
import { type Html, html } from './html.ts';
import { amount, duration, localTime } from './words.ts';
import { workloadChart } from './workload-chart.ts';

/** All that one card shows. */
const SOURCE_WORDS = { file: 'a file', resource: 'a custom resource', http: 'the HTTP API' } as const;

export interface WorkloadCard {
  readonly workload: WorkloadView;
  readonly picture: WorkloadPicture;
  readonly forecast: DemandForecast['forecast'] | undefined;
  /** What the gate judges it by; null where that is not known. */
  readonly errorVsNaive?: number | null;
  readonly decisions: readonly DecisionView[];
  readonly now: number;
  readonly range: { readonly start: number; readonly end: number };
  readonly stepMs: number;
}

const STATE_WORDS: Readonly<Record<WorkloadState, string>> = {
  starting: 'no plan yet',
  learning: 'learning',
  trusting: 'forecast in charge',
  demoted: 'forecast not trusted',
  paused: 'paused',
  unreachable: 'target not readable',
};

export function workloadCard(card: WorkloadCard): Html {
  const { workload, picture, forecast, decisions, now, range, stepMs } = card;
  const { policy, source, troubles } = workload;
  const state = stateOf(workload);
  const name = `${policy.namespace}/${policy.name}`;
  const ready = forecast?.kind === 'ready' ? forecast : undefined;
  const { timeZone, quantile } = policy;
  return html`<article id="${name}">
<header><h2>${policy.name}<small> ${policy.namespace}</small></h2>
<span class="badge ${state}">${STATE_WORDS[state]}</span><span class="badge ${policy.mode}" title="${policy.mode === 'observe' ? 'computes and records, changes nothing' : 'changes the bounds'}">${policy.mode}</span></header>
${troubles.map((trouble) => html`<p class="trouble">${trouble}</p>`)}
${numbers(card)}
${workloadChart({ name, picture, forecast: ready, quantile, range, now, gapMs: stepMs * 2.5, timeZone })}
<ul class="legend"><li class="l-demand">demand</li>${ready !== undefined && html`<li class="l-band">forecast</li><li class="l-peak">peak planned for</li>`}<li class="l-replicas">replicas</li><li class="l-floor">floor</li></ul>
${forecastLine(forecast, card.errorVsNaive ?? null, now, timeZone)}
${reasons(workload)}
${decisionList(decisions, now, timeZone)}
<footer>${policy.target.kind === 'ScaledObject' ? 'ScaledObject' : 'HPA'} ${policy.target.name} · times in ${timeZone} · policy from ${SOURCE_WORDS[source]}</footer>
</article>`;
}

function numbers({ workload, picture, forecast }: WorkloadCard): Html {
  const { target, last, policy, leadTimeMs } = workload;
  const demand = picture.demand.values.at(-1);
  const peak =
    forecast?.kind === 'ready'
      ? forecast.peak.quantiles.find(({ quantile }) => Math.abs(quantile - policy.quantile) < 1e-9)?.value
      : undefined;
  const entries: readonly (readonly [string, string, string])[] = [
    ['replicas', target === null ? '–' : String(target.statusReplicas), 'that run now'],
    ['floor', last === null ? '–' : String(last.plan.bounds.min), 'the least that the autoscaler may go to'],
    ['most', last === null ? '–' : String(last.plan.bounds.max), 'the most that the autoscaler may go to'],
    ['demand', demand === undefined ? '–' : amount(demand), 'at the last step'],
    [
      'peak ahead',
      peak === undefined ? '–' : amount(peak),
      `largest demand until new pods are ready, at quantile ${policy.quantile}`,
    ],
    ['lead time', leadTimeMs === null ? '–' : duration(leadTimeMs), 'from the decision to a ready pod'],
  ];
  return html`<dl>${entries.map(([term, value, title]) => html`<div title="${title}"><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>`;
}

function forecastLine(
  forecast: WorkloadCard['forecast'],
  errorVsNaive: number | null,
  now: number,
  timeZone: string,
): Html {
  switch (forecast?.kind) {
    case undefined:
      return html`<p class="note">No forecast has been made yet. Until then the autoscaler alone decides.</p>`;
    case 'no-data':
      return html`<p class="note">The demand query has answered nothing yet: there is nothing to learn from.</p>`;
    case 'stale': {
      const at = localTime(forecast.lastSampleAt, now, timeZone);
      return html`<p class="note">No forecast: the last demand sample is from ${at}.</p>`;
    }
    case 'insufficient-history': {
      const { haveMs, needMs } = forecast;
      const share = Math.max(0, Math.min(1, haveMs / needMs));
      return html`<p class="note">Learning: ${duration(haveMs)} of the ${formatDuration(needMs)} of history that the policy wants. Until then the autoscaler alone decides.</p>
<progress max="1" value="${share.toFixed(3)}"></progress>`;
    }
    case 'ready': {
      const { model, accuracy, issuedAt, historyMs, live } = forecast;
      // The figures that the gate judges: of the peak, which the floor is planned for.
      const error =
        errorVsNaive === null
          ? 'error not known yet'
          : `its peaks have ${Math.round(errorVsNaive * 100)} % of the error of naive ones`;
      const issued = live?.horizons.find(({ horizon }) => horizon === 'peak')?.coverage;
      const coverage = issued ?? accuracy.peakCoverage;
      const covered = Number.isFinite(coverage)
        ? `; their 95 % bound held ${(coverage * 100).toFixed(1)} % of the time`
        : '';
      return html`<p class="note">Forecast of ${localTime(issuedAt, now, timeZone)} by ${model}, from ${duration(historyMs)} of history: ${error}${covered}.</p>`;
    }
  }
}

function reasons({ last }: WorkloadView): Html {
  if (last === null) return html``;
  return html`<h3>Why this floor</h3><ol class="reasons">${last.sentences.map((text) => html`<li>${text}</li>`)}</ol>`;
}

function decisionList(decisions: readonly DecisionView[], now: number, timeZone: string): Html {
  if (decisions.length === 0) return html`<h3>Decisions</h3><p class="note">None yet.</p>`;
  return html`<h3>Last decisions</h3><ol class="decisions">${decisions.map((decision) => decisionLine(decision, now, timeZone))}</ol>`;
}

/** Outcomes that need no explanation. */
const PLAIN_OUTCOMES = ['applied', 'unchanged', 'observed'];

function decisionLine({ at, plan, sentences, outcome }: DecisionView, now: number, timeZone: string): Html {
  const { kind, message } = outcome;
  const what = message === undefined || PLAIN_OUTCOMES.includes(kind) ? kind : `${kind}: ${message}`;
  // The bounds stand beside it: of the reasons, what was asked for and what became of that.
  // The models of a mix are in the tooltip: a dozen weights would bury the numbers.
  const asked = plan.reasons.slice(0, 2).map((reason) => reasonText(reason).replace(/, by mix\([^)]*\)/, ''));
  return html`<li title="${sentences.join('\n')}"><time>${localTime(at, now, timeZone)}</time><b>${plan.bounds.min}–${plan.bounds.max}</b><span>${asked.join('; ')} <i>${what}</i></span></li>`;
}
