import { formatInstant } from '../model/time.ts';
import { tableLines } from './table-lines.ts';

/** What the server answers of advice, as far as the command shows it. Times are epoch seconds. */
export interface ToldAdvice {
  readonly namespace: string;
  readonly policy: string;
  readonly replay: ToldReplay | Reason;
  readonly target: ToldTarget | Reason;
  readonly findings: readonly ToldFinding[] | Reason;
  readonly requests: ToldRequests | Reason;
}

interface Reason {
  readonly message: string;
}

interface ToldOutcome {
  readonly podHoursPerDay: number;
  readonly minutesOverPerDay: number;
}

interface ToldReplay {
  readonly from: number;
  readonly to: number;
  readonly perReplica: number;
  readonly bounds: { readonly min: number; readonly max: number };
  readonly hpaTarget: { readonly ratio: number; readonly why: string };
  readonly asIs: ToldOutcome;
  readonly alone: ToldOutcome;
  readonly demoted: number;
}

interface ToldTarget {
  readonly text: string;
  readonly suggested: number;
  readonly tried: readonly (ToldOutcome & { readonly ratio: number; readonly isKept: boolean })[];
}

interface ToldFinding {
  readonly kind: 'risk' | 'cost';
  readonly setting: string;
  readonly present: string;
  readonly suggested: string | null;
  readonly text: string;
}

interface ToldResource {
  readonly request: number | null;
  readonly target: number;
  readonly lower: number;
  readonly upper: number | null;
  readonly verdict: string;
  readonly text: string;
}

interface ToldRequests {
  readonly containers: readonly {
    readonly container: string | null;
    readonly cpu: ToldResource | null;
    readonly memory: ToldResource | null;
    readonly days: number;
  }[];
  readonly message: string | null;
  readonly hpaTarget: { readonly text: string } | null;
}

/** The advice as text: what was replayed, the target, the settings, the requests. */
export function tellAdvice({ namespace, policy, replay, target, findings, requests }: ToldAdvice): string {
  const ratio = 'perReplica' in replay ? replay.hpaTarget.ratio : Number.NaN;
  return [
    `${namespace}/${policy}`,
    ...replayLines(replay),
    '',
    'how full the HPA lets replicas become',
    ...('tried' in target ? targetLines(target, ratio) : [`  no advice: ${target.message}`]),
    '',
    'settings of the HPA that work against the forecast',
    ...('message' in findings ? [`  not known: ${findings.message}`] : findingLines(findings)),
    '',
    'requests',
    ...('containers' in requests ? requestLines(requests) : [`  no advice: ${requests.message}`]),
  ].join('\n');
}

function replayLines(replay: ToldReplay | Reason): readonly string[] {
  if (!('perReplica' in replay)) return [`  nothing was replayed: ${replay.message}`];
  const { from, to, perReplica, bounds, hpaTarget, asIs, alone, demoted } = replay;
  const told = ({ podHoursPerDay, minutesOverPerDay }: ToldOutcome) =>
    `${podHoursPerDay.toFixed(1)} pod-hours and ${minutesOverPerDay.toFixed(1)} minutes over capacity a day`;
  return [
    `  replayed ${formatInstant(from * 1000)} to ${formatInstant(to * 1000)}, ${bounds.min} to ${bounds.max} replicas that carry ${Number(perReplica.toPrecision(4))} each`,
    `  with the floor: ${told(asIs)}`,
    `  the HPA alone:  ${told(alone)}`,
    `  its target: ${percent(hpaTarget.ratio)} (${hpaTarget.why})`,
    ...(demoted > 0 ? [`  the forecast was not trusted for ${percent(demoted)} of the time`] : []),
  ];
}

function targetLines({ text, tried, suggested }: ToldTarget, present: number): readonly string[] {
  const head = ['TARGET', 'POD-HOURS/DAY', 'MINUTES OVER/DAY', ''];
  const rows = tried.map(({ ratio, podHoursPerDay, minutesOverPerDay, isKept }) => {
    const marks = [
      ratio === present ? 'now' : '',
      ratio === suggested ? 'advised' : '',
      isKept ? '' : 'too often over',
    ];
    const mark = marks.filter((one) => one !== '').join(', ');
    return [percent(ratio), podHoursPerDay.toFixed(1), minutesOverPerDay.toFixed(1), mark];
  });
  return [`  ${text}`, ...tableLines([head, ...rows]).map((line) => `  ${line.trimEnd()}`)];
}

function findingLines(findings: readonly ToldFinding[]): readonly string[] {
  if (findings.length === 0) return ['  none'];
  return findings.flatMap(({ kind, setting, present, suggested, text }) => [
    `  ${kind}: ${setting}: ${present}${suggested === null ? '' : `, better ${suggested}`}`,
    `    ${text}`,
  ]);
}

function requestLines({ containers, message, hpaTarget }: ToldRequests): readonly string[] {
  const rows = containers.flatMap(({ container, cpu, memory, days }) =>
    (
      [
        ['cpu', cpu],
        ['memory', memory],
      ] as const
    ).flatMap(([resource, told]) => {
      if (told === null) return [];
      const shown = (amount: number | null) => (amount === null ? '-' : formatAmount(resource, amount));
      const amounts = [told.request, told.target, told.lower, told.upper].map(shown);
      return [[`${container ?? 'pod'} ${resource}`, ...amounts, told.verdict, `${days.toFixed(1)}d`]];
    }),
  );
  const head = ['CONTAINER', 'ASKS FOR', 'TARGET', 'LOWER', 'UPPER', 'ADVICE', 'SEEN'];
  const texts = containers.flatMap(({ container, cpu, memory }) =>
    (
      [
        ['cpu', cpu],
        ['memory', memory],
      ] as const
    ).flatMap(([resource, told]) => (told === null ? [] : [`  ${container ?? 'pod'} ${resource}: ${told.text}`])),
  );
  return [
    ...tableLines([head, ...rows]).map((line) => `  ${line}`),
    ...texts,
    ...(message === null ? [] : [`  what is asked for now is not known: ${message}`]),
    ...(hpaTarget === null ? [] : [`  ${hpaTarget.text}`]),
  ];
}

function percent(ratio: number): string {
  return `${Number((100 * ratio).toFixed(1))} %`;
}

function formatAmount(resource: 'cpu' | 'memory', amount: number): string {
  if (resource === 'cpu') return `${Math.ceil(amount * 1000 - 1e-6)}m`;
  return `${Math.ceil(amount / 1024 ** 2 - 1e-6)}Mi`;
}
