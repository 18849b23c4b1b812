import type { SeasonsJobResult } from '../../forecast/jobs/decompose-job.ts';
import type { Panel } from '../../http/svg/chart.ts';
import { formatDuration } from '../../model/time.ts';
import type { Report } from './report.ts';
import { shownNote } from './worst-first.ts';

export type ShownSeasons = Extract<SeasonsJobResult, { kind: 'seasons' }> & { readonly name: string };

/** For each series its autocorrelation, with the seasons that were found marked, and what else was looked at. */
export function seasonsReport(content: {
  readonly input: string;
  readonly shown: readonly ShownSeasons[];
  readonly series: number;
}): Report {
  const { input, shown, series } = content;
  const order = shownNote(shown.length, series, 'those with the fewest seasons');
  return {
    title: `Seasons of ${input}`,
    notes: [
      `${series} series. Autocorrelation: how alike a series is to itself so many steps earlier, -1 to 1.`,
      ...(order === undefined ? [] : [order]),
    ],
    sections: [{ panels: shown.map(panelOf) }, { title: 'What was looked at', table: tableOf(shown) }],
  };
}

function panelOf({ name, seasons, candidates, stepMs, autocorrelation }: ShownSeasons): Panel {
  const lags = Float64Array.from(autocorrelation, (_, lag) => lag);
  const few = lags.length <= 120;
  const words = seasons.map((length) => formatDuration(length * stepMs)).join(', ');
  const missed = candidates.filter(({ verdict }) => verdict !== 'found').length;
  return {
    title: name === '' ? 'series' : name,
    note: `${words === '' ? 'no season' : `seasons: ${words}`}; ${missed} other lengths are none; a step is ${formatDuration(stepMs)}`,
    x: { kind: 'number', domain: [0, Math.max(1, lags.length - 1)], label: 'steps earlier' },
    y: [Math.min(-0.2, ...autocorrelation.filter(Number.isFinite)), 1],
    formatY: (value) => value.toFixed(1),
    layers: [
      { kind: 'rule', at: { y: 0 } },
      ...seasons.map((length) => ({
        kind: 'rule' as const,
        at: { x: length },
        label: formatDuration(length * stepMs),
      })),
      { kind: few ? 'bars' : 'line', tone: 'future', samples: { times: lags, values: autocorrelation } },
    ],
  };
}

function tableOf(shown: readonly ShownSeasons[]): readonly (readonly string[])[] {
  return [
    ['series', 'length', 'verdict', 'strength', 'autocorrelation', 'cycles', 'confidence'],
    ...shown.flatMap(({ name, candidates }) =>
      candidates.map((one) => [
        name,
        formatDuration(one.lengthMs),
        one.verdict,
        one.strength.toFixed(3),
        one.autocorrelation.toFixed(3),
        String(one.cycles),
        one.confidence.toFixed(3),
      ]),
    ),
  ];
}
