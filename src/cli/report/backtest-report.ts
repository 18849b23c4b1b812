import { type BacktestDetail, type BacktestMetrics, CALIBRATION_QUANTILES } from '../../forecast/backtest-sums.ts';
import { MIX } from '../../forecast/jobs/backtest-job.ts';
import type { Layer, Panel, Tone } from '../../http/svg/chart.ts';
import type { Forecast } from '../../model/forecast.ts';
import type { RegularSeries } from '../../model/series.ts';
import { type ModelFigures, tableOf } from '../model-figures.ts';
import { bandsOf, samplesOf, timesOf } from './forecast-report.ts';
import type { Report, Section } from './report.ts';
import { shownNote } from './worst-first.ts';

export interface ShownBacktest {
  readonly name: string;
  readonly forecasts: readonly Forecast[];
  readonly tail: RegularSeries;
  readonly metrics: BacktestMetrics;
}

export interface BacktestReportContent {
  readonly input: string;
  readonly horizon: number;
  readonly windows: number;
  readonly series: number;
  readonly refused: number;
  readonly models: readonly ModelFigures[];
  readonly shown: readonly ShownBacktest[];
}

/** Drawn beside the mix: what anybody would do without a model. */
const NAIVES: readonly (readonly [model: string, tone: Tone])[] = [
  ['last-value', 'second'],
  ['yesterday', 'third'],
  ['last-week', 'soft'],
];

/** The table of models, error and coverage by step ahead, calibration, and what was forecast and what came. */
export function backtestReport(content: BacktestReportContent): Report {
  const { input, horizon, windows, series, refused, models, shown } = content;
  const left = refused > 0 ? `, ${refused} of them too short` : '';
  const mix = models.find(({ model }) => model === MIX);
  const drawn: Layer[] = NAIVES.flatMap(([name, tone]) => {
    const naive = models.find(({ model }) => model === name);
    return naive === undefined ? [] : [byStep(naive.wapeByStep, tone, name)];
  });
  if (mix !== undefined) drawn.push(byStep(mix.wapeByStep, 'future', MIX));
  const order = shownNote(shown.length, series - refused, 'the largest relative error');
  return {
    title: `Backtest of ${input}`,
    notes: [
      `${series} series${left}; the last ${windows} windows of ${horizon} steps each, forecast from what came before. Times are UTC.`,
    ],
    sections: [
      {
        title: 'Models',
        note: 'WAPE, sMAPE and pinball in per cent; cover95: share inside the central 95 % interval, which 0.95 would fit.',
        table: models.length > 0 ? tableOf(models) : [['nothing to compare']],
      },
      ...(mix === undefined ? [] : [{ panels: [errorPanel(horizon, drawn), ...detailPanels(mix, horizon)] }]),
      {
        title: 'What was forecast, and what came',
        ...(order !== undefined && { note: order }),
        panels: shown.map(windowPanel),
      },
    ],
  };
}

export interface RollingReportContent {
  readonly input: string;
  readonly horizon: number;
  readonly series: number;
  readonly origins: number;
  readonly metrics: BacktestMetrics;
  readonly detail: BacktestDetail;
}

/** How the deployed mix's rolling forecasts did. */
export function rollingReport({ input, horizon, series, origins, metrics, detail }: RollingReportContent): Report {
  const { wape, mase, smape, pinball, coverage } = metrics;
  const section: Section = {
    table: [
      ['model', 'origins', 'WAPE %', 'MASE', 'sMAPE %', 'pinball %', 'cover95'],
      [
        MIX,
        String(origins),
        (100 * wape).toFixed(2),
        mase.toFixed(3),
        smape.toFixed(2),
        (100 * pinball).toFixed(2),
        coverage.toFixed(3),
      ],
    ],
    panels: [errorPanel(horizon, [byStep(detail.wapeByStep, 'future', MIX)]), ...detailPanels(detail, horizon)],
  };
  return {
    title: `Rolling forecasts of ${input}`,
    notes: [`${origins} origins of ${series} series, ${horizon} steps ahead each; nothing after an origin is used.`],
    sections: [section],
  };
}

function errorPanel(horizon: number, layers: readonly Layer[]): Panel {
  return {
    title: 'Error by steps ahead',
    note: 'WAPE in per cent',
    x: { kind: 'number', domain: stepsOf(horizon), label: 'steps ahead' },
    layers,
  };
}

function detailPanels({ coverageByStep, calibration }: BacktestDetail, horizon: number): readonly Panel[] {
  const inside = byStep(coverageByStep, 'future', MIX);
  const shares = {
    times: Float64Array.from(calibration, ({ quantile }) => quantile),
    values: Float64Array.from(calibration, ({ share }) => share),
  };
  const diagonal = { times: Float64Array.of(0, 1), values: Float64Array.of(0, 1) };
  return [
    {
      title: 'Coverage by steps ahead',
      note: 'per cent inside the central 95 % interval',
      x: { kind: 'number', domain: stepsOf(horizon), label: 'steps ahead' },
      y: [Math.min(80, ...coverageByStep.filter(Number.isFinite).map((share) => 100 * share)), 100],
      layers: [{ kind: 'rule', at: { y: 95 } }, inside],
    },
    {
      title: 'Calibration',
      note: `share of truths at or below each of ${CALIBRATION_QUANTILES.length} quantiles: on the line is right`,
      x: { kind: 'number', domain: [0, 1], label: 'quantile' },
      y: [0, 1],
      layers: [
        { kind: 'line', tone: 'soft', samples: diagonal, dashed: true },
        { kind: 'line', tone: 'future', samples: shares },
        { kind: 'dots', tone: 'future', samples: shares },
      ],
    },
  ];
}

function windowPanel({ name, forecasts, tail, metrics }: ShownBacktest): Panel {
  const bands: Layer[] = [];
  const points: Layer[] = [];
  for (const [i, forecast] of forecasts.entries()) {
    const { issuedAt, stepMs, point } = forecast;
    const times = timesOf(issuedAt + stepMs, stepMs, point.length);
    // The quantiles of a backtest bound the intervals of 0.8 and 0.95.
    bands.push(...bandsOf(forecast, [0.8, 0.95], times).map((layer) => (i === 0 ? layer : withoutName(layer))));
    points.push({
      kind: 'line',
      tone: 'future',
      samples: { times, values: point },
      ...(i === 0 && { name: 'forecast' }),
    });
    points.push({ kind: 'rule', at: { x: issuedAt } });
  }
  return {
    title: name === '' ? 'series' : name,
    note: `WAPE ${(100 * metrics.wape).toFixed(1)} %, MASE ${metrics.mase.toFixed(2)}, cover95 ${metrics.coverage.toFixed(2)}`,
    x: { kind: 'time', domain: [tail.start, tail.start + (tail.values.length - 1) * tail.stepMs] },
    layers: [...bands, { kind: 'line', name: 'what came', tone: 'past', samples: samplesOf(tail) }, ...points],
  };
}

function withoutName(layer: Layer): Layer {
  if (!('name' in layer)) return layer;
  const { name: _, ...rest } = layer;
  return rest;
}

/** Ratios by step ahead, as per cent. */
function byStep(ratios: readonly number[], tone: Tone, name: string): Layer {
  const times = Float64Array.from(ratios, (_, i) => i + 1);
  return { kind: 'line', tone, name, samples: { times, values: Float64Array.from(ratios, (ratio) => 100 * ratio) } };
}

/** A line over one step alone needs room to be seen. */
function stepsOf(horizon: number): readonly [number, number] {
  return horizon === 1 ? [0, 2] : [1, horizon];
}
