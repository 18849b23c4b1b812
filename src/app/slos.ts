import type { Settings } from '../config/load.ts';
import { parseSloFile } from '../config/slo-files.ts';
import type { SloSeriesView, SloView } from '../http/routes/slos.ts';
import { compareLabels, type Labels, labelsKey, labelValue, METRIC_NAME } from '../model/labels.ts';
import type { TenantId } from '../model/tenant.ts';
import { parseDuration, SECOND } from '../model/time.ts';
import type { RuleGroup } from '../rules/rule-file.ts';
import { SLO_SERIES, sloRatioName, sloRules } from '../rules/slo-rules.ts';
import type { Slo } from '../scaling/slo.ts';
import type { Parts } from './parts.ts';
import { type RuleFileProblem, ruleFileReader } from './rule-files.ts';

/** An objective, where it was declared, and the rules that are made of it. */
export interface PlacedSlo {
  readonly tenant: TenantId;
  /** A file, or `policy NAMESPACE/NAME`. */
  readonly file: string;
  readonly slo: Slo;
  /** Labels by which its series are told from those of others. */
  readonly identity: Readonly<Record<string, string>>;
  readonly group: RuleGroup;
}

export interface SlosInForce {
  readonly slos: readonly PlacedSlo[];
  readonly problems: readonly RuleFileProblem[];
}

/** Reads what objectives there are now: of files, and of policies. */
export function sloReader(
  settings: Settings,
  { policies, checkDeps }: Pick<Parts, 'policies' | 'checkDeps'>,
): () => Promise<SlosInForce> {
  const readFiles = ruleFileReader(settings.rules.slos, (text, file) => {
    const { slos, problems } = parseSloFile(text, file, checkDeps);
    return problems.length === 0 ? { kind: 'right', content: slos } : { kind: 'wrong', problems };
  });
  const made = new Map<string, RuleGroup>();
  return async () => {
    const { files, problems } = readFiles();
    const all: Omit<PlacedSlo, 'group'>[] = files.flatMap(({ tenant, file, content }) =>
      content.map((slo) => ({ tenant, file, slo, identity: {} })),
    );
    for (const { tenant, document } of await policies.list()) {
      const { namespace, name } = document.metadata;
      for (const slo of document.spec.slos ?? []) {
        all.push({ tenant, file: `policy ${namespace}/${name}`, slo, identity: { namespace, policy: name } });
      }
    }
    const slos: PlacedSlo[] = [];
    const found: RuleFileProblem[] = [...problems];
    const seen = new Set<string>();
    const used = new Set<string>();
    for (const one of all) {
      const { tenant, file, slo, identity } = one;
      const name = JSON.stringify([tenant, identity, slo.name]);
      if (seen.has(name)) {
        found.push({ tenant, text: `${file}: the objective ${slo.name} is declared elsewhere already, which wins` });
        continue;
      }
      seen.add(name);
      const key = JSON.stringify([slo, identity]);
      used.add(key);
      try {
        const group = made.get(key) ?? sloRules(slo, identity);
        made.set(key, group);
        slos.push({ ...one, group });
      } catch (error) {
        found.push({ tenant, text: `${file}: ${(error as Error).message}` });
      }
    }
    for (const key of [...made.keys()].filter((one) => !used.has(one))) made.delete(key);
    return { slos, problems: found };
  };
}

/** What is recorded of an objective now. */
export async function sloView(
  { file, slo, identity }: PlacedSlo,
  state: SloView['state'],
  now: number,
  instant: ReturnType<Parts['queryStorage']['tenant']>['instant'],
): Promise<SloView> {
  const windowMs = parseDuration(slo.window);
  const labels = { ...slo.labels, ...identity, slo: slo.name };
  const ratio = sloRatioName(windowMs);
  const names = [SLO_SERIES.remaining, SLO_SERIES.burnRate, SLO_SERIES.exhaustion, ratio];
  const selector = Object.entries({ policy: '', ...labels }).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const { value } = await instant(`{__name__=~"${names.join('|')}",${selector.join(',')}}`, now);
  const series = new Map<string, { readonly labels: Labels; readonly values: Map<string, number> }>();
  for (const sample of value.kind === 'vector' ? value.samples : []) {
    const own = sample.labels.filter(([name]) => ![METRIC_NAME, 'window', 'basis'].includes(name));
    const key = labelsKey(own);
    let one = series.get(key);
    if (one === undefined) {
      one = { labels: own, values: new Map() };
      series.set(key, one);
    }
    const of = labelValue(sample.labels, 'window') || labelValue(sample.labels, 'basis');
    one.values.set(`${labelValue(sample.labels, METRIC_NAME)} ${of}`, sample.value);
  }
  const ending = (values: ReadonlyMap<string, number>, basis: string) => {
    const seconds = values.get(`${SLO_SERIES.exhaustion} ${basis}`);
    return seconds === undefined ? null : new Date(now + seconds * SECOND).toISOString();
  };
  return {
    name: slo.name,
    source: file,
    ...(slo.description !== undefined && { description: slo.description }),
    objective: slo.objective,
    window: slo.window,
    labels,
    state,
    series: [...series.values()]
      .sort((a, b) => compareLabels(a.labels, b.labels))
      .map(
        ({ labels: own, values }): SloSeriesView => ({
          labels: Object.fromEntries(own),
          errorRatio: finite(values.get(`${ratio} `)),
          budgetRemaining: finite(values.get(`${SLO_SERIES.remaining} `)),
          burnRate: Object.fromEntries(
            ['1h', '6h', '1d', '3d'].map((window) => [window, finite(values.get(`${SLO_SERIES.burnRate} ${window}`))]),
          ),
          budgetEnds: { '1h': ending(values, '1h'), '1d': ending(values, '1d') },
        }),
      ),
  };
}

function finite(value: number | undefined): number | null {
  return value === undefined || !Number.isFinite(value) ? null : value;
}
