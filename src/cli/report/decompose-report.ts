import type { Decomposition } from '../../forecast/decomposition.ts';
import type { Panel } from '../../http/svg/chart.ts';
import type { RegularSeries, Samples } from '../../model/series.ts';
import { formatDuration } from '../../model/time.ts';
import { samplesOf, timesOf } from './forecast-report.ts';
import type { Report } from './report.ts';
import { MOST_SHOWN, shownNote } from './worst-first.ts';

export interface ShownParts {
  readonly name: string;
  readonly series: RegularSeries;
  readonly parts: Decomposition;
}

/** Each series is four panels or more: fewer of them are looked at. */
export const MOST_DECOMPOSED = MOST_SHOWN / 2;

/** For each series the value with its trend, each season, and the remainder, below one another on one axis of time. */
export function decomposeReport(content: {
  readonly input: string;
  readonly shown: readonly ShownParts[];
  readonly series: number;
}): Report {
  const { input, shown, series } = content;
  const order = shownNote(shown.length, series, 'those with the largest remainder');
  return {
    title: `Trend, seasons and remainder of ${input}`,
    notes: [
      `${series} series. Value = trend + seasons + remainder. Times are UTC.`,
      ...(order === undefined ? [] : [order]),
    ],
    sections: shown.map(({ name, series: regular, parts }) => ({
      ...(name !== '' && { title: name }),
      note: shareNote(regular, parts),
      panels: panelsOf(regular, parts),
    })),
  };
}

function panelsOf(series: RegularSeries, { trend, seasons, remainder }: Decomposition): readonly Panel[] {
  const { start, stepMs, values } = series;
  const times = timesOf(start, stepMs, values.length);
  const x = { kind: 'time' as const, domain: [start, start + (values.length - 1) * stepMs] as const };
  const size = { width: 1280, height: 170 };
  const of = (part: Float64Array): Samples => ({ times, values: part });
  return [
    {
      title: 'value and trend',
      x,
      ...size,
      height: 220,
      layers: [
        { kind: 'line', name: 'value', tone: 'past', samples: samplesOf(series) },
        { kind: 'line', name: 'trend', tone: 'second', samples: of(trend) },
      ],
    },
    ...seasons.map(
      (season): Panel => ({
        title: `season of ${formatDuration(season.length * stepMs)}`,
        note: `${season.length} steps`,
        x,
        ...size,
        layers: [
          { kind: 'rule', at: { y: 0 } },
          { kind: 'line', tone: 'future', samples: of(season.values) },
        ],
      }),
    ),
    {
      title: 'remainder',
      x,
      ...size,
      layers: [
        { kind: 'rule', at: { y: 0 } },
        { kind: 'line', tone: 'soft', samples: of(remainder) },
      ],
    },
  ];
}

/** How much of the ups and downs each part accounts for, by its variance against the value's. */
function shareNote({ values, stepMs }: RegularSeries, { trend, seasons, remainder }: Decomposition): string {
  const whole = varianceOf(values);
  if (!(whole > 0)) return 'The value never changes.';
  const share = (part: Float64Array) => `${Math.round((100 * varianceOf(part)) / whole)} %`;
  const parts = [
    `trend ${share(trend)}`,
    ...seasons.map(({ length, values: part }) => `season of ${formatDuration(length * stepMs)} ${share(part)}`),
    `remainder ${share(remainder)}`,
  ];
  return `Variance against the value's: ${parts.join(', ')}.`;
}

/** Over what is known. */
export function varianceOf(values: Float64Array): number {
  let count = 0;
  let mean = 0;
  let squares = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    count++;
    const off = value - mean;
    mean += off / count;
    squares += off * (value - mean);
  }
  return squares / count;
}
