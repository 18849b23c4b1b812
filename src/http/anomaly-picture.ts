import type { Anomaly } from '../anomaly/anomaly.ts';
import { partText } from '../anomaly/incident-alert.ts';
import { formatLabels, METRIC_NAME } from '../model/labels.ts';
import type { Samples } from '../model/series.ts';
import type { Millis } from '../model/time.ts';
import { html } from './page/html.ts';
import { chart, type Panel } from './svg/chart.ts';
import { CHART_STYLES } from './svg/chart-styles.ts';

/** A series, what was expected of it, and where it was unusual. */
export interface JudgedSeries {
  readonly title: string;
  readonly note?: string;
  readonly domain: readonly [Millis, Millis];
  readonly value: Samples;
  readonly expected: Samples;
  readonly lower: Samples;
  readonly upper: Samples;
  readonly spans: readonly (readonly [Millis, Millis])[];
  readonly peak: { readonly at: Millis; readonly value: number } | undefined;
}

const WIDTH = 960;
const HEIGHT = 320;

export function judgedPanel(judged: JudgedSeries): Panel {
  const { title, note, domain, value, expected, lower, upper, spans, peak } = judged;
  return {
    title,
    ...(note !== undefined && { note }),
    x: { kind: 'time', domain },
    ...{ width: WIDTH, height: HEIGHT },
    layers: [
      { kind: 'spans', name: 'anomaly', tone: 'bad', spans },
      { kind: 'band', name: 'expected', tone: 'future', ...alignedBand(lower, upper) },
      { kind: 'line', tone: 'future', samples: expected, dashed: true },
      { kind: 'line', name: 'value', tone: 'past', samples: value },
      ...(peak !== undefined && Number.isFinite(peak.value)
        ? [
            {
              kind: 'dots' as const,
              tone: 'bad' as const,
              samples: { times: Float64Array.of(peak.at), values: Float64Array.of(peak.value) },
            },
          ]
        : []),
    ],
  };
}

/** A panel as an SVG file of its own. */
export function panelFile(panel: Panel): string {
  const { width = WIDTH, height = HEIGHT } = panel;
  const style = html([`${CHART_STYLES}.page{fill:var(--bg)}`] as unknown as TemplateStringsArray);
  return html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
<style>${style}</style><rect class="page" width="${width}" height="${height}"></rect>
<svg width="${width}" height="${height}">${chart(panel)}</svg></svg>
`.text;
}

export function anomalyTitle({ watch, labels, demand }: Pick<Anomaly, 'watch' | 'labels' | 'demand'>): string {
  if (demand !== undefined) return `${watch} of ${demand.namespace}/${demand.policy}`;
  const others = labels.filter(([name]) => name !== METRIC_NAME);
  return others.length === 0 ? watch : `${watch}${formatLabels(others)}`;
}

export function anomalyNote({ peak, severity }: Anomaly): string {
  return `${severity}: ${partText(peak)}; score ${peak.score.toFixed(2)}. Times are UTC.`;
}

/** The times that both have. */
function alignedBand(lower: Samples, upper: Samples) {
  const above = new Map(Array.from(upper.times, (time, i) => [time, upper.values[i]!]));
  const known = [...lower.times.keys()].filter((i) => above.has(lower.times[i]!));
  const xs = Float64Array.from(known, (i) => lower.times[i]!);
  return {
    xs,
    lower: Float64Array.from(known, (i) => lower.values[i]!),
    upper: xs.map((time) => above.get(time)!),
  };
}
