import type { Forecast, QuantilePath } from '../../model/forecast.ts';
import type { Samples } from '../../model/series.ts';
import type { TimeRange } from '../../model/time.ts';
import type { WorkloadPicture } from '../deps.ts';
import { bandPath, linePath, stepPath } from '../svg/paths.ts';
import { linearScale, type Scale, timeTicks, valueTicks } from '../svg/scale.ts';
import { type Html, html } from './html.ts';
import { amount, localTime } from './words.ts';

export interface WorkloadChart {
  readonly name: string;
  readonly picture: WorkloadPicture;
  readonly forecast: Forecast | undefined;
  /** The quantile of the largest demand that the floor is planned for. */
  readonly quantile: number;
  readonly range: TimeRange;
  readonly now: number;
  /** Samples further apart are not joined. */
  readonly gapMs: number;
  readonly timeZone: string;
}

const WIDTH = 640;
const LEFT = 46;
const RIGHT = WIDTH - 10;
const DEMAND_TOP = 14;
const DEMAND_BOTTOM = 168;
const REPLICAS_TOP = 196;
const REPLICAS_BOTTOM = 270;
const HEIGHT = 300;
/** The peak's window is minutes on an axis of a day: shorter than this it could not be seen. */
const SHORTEST_PEAK = 14;
const HIT_MS = 15 * 60_000;

/** Two pictures over one time axis: demand with its forecast, and below it replicas with their floor. */
export function workloadChart(chart: WorkloadChart): Html {
  const { name, picture, forecast, range, now, gapMs, timeZone } = chart;
  const x = linearScale([range.start, range.end], [LEFT, RIGHT]);
  const outer = forecast === undefined ? undefined : bandOf(forecast.quantiles, 0.99);
  const inner = forecast === undefined ? undefined : bandOf(forecast.quantiles, 0.91);
  const peak = forecast?.peak.quantiles.find(({ quantile }) => Math.abs(quantile - chart.quantile) < 1e-9);
  const demandTicks = valueTicks(
    highestOf([picture.demand.values, outer?.upper.values ?? [], forecast?.point ?? [], [peak?.value ?? 0]]),
    4,
  );
  const replicaTicks = valueTicks(highestOf([picture.floor.values, picture.replicas.values]), 3, true);
  const demandY = linearScale([0, demandTicks.at(-1)!], [DEMAND_BOTTOM, DEMAND_TOP]);
  const replicaY = linearScale([0, replicaTicks.at(-1)!], [REPLICAS_BOTTOM, REPLICAS_TOP]);
  const ahead = forecast === undefined ? [] : timesOf(forecast);
  const nowX = x(now).toFixed(1);
  return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Demand, forecast, floor and replicas of ${name}">
<rect class="future" x="${nowX}" y="${DEMAND_TOP}" width="${(RIGHT - x(now)).toFixed(1)}" height="${REPLICAS_BOTTOM - DEMAND_TOP}"></rect>
${timeTicks(range.start, range.end, 4, timeZone).map(({ time, label }, i) => timeAxis(x(time), label, i))}
${demandTicks.map((value) => valueAxis(demandY(value), amount(value)))}
${replicaTicks.map((value) => valueAxis(replicaY(value), amount(value)))}
<text class="caption" x="${LEFT}" y="9">demand</text><text class="caption" x="${LEFT}" y="${REPLICAS_TOP - 7}">replicas</text>
${outer !== undefined && html`<path class="band" d="${bandPath(ahead, outer.lower.values, outer.upper.values, x, demandY)}"></path>`}
${inner !== undefined && inner !== outer && html`<path class="band" d="${bandPath(ahead, inner.lower.values, inner.upper.values, x, demandY)}"></path>`}
<path class="demand" d="${linePath(picture.demand, x, demandY, gapMs)}"></path>
${forecast !== undefined && html`<path class="point" d="${linePath({ times: Float64Array.from(ahead), values: forecast.point }, x, demandY)}"></path>`}
${forecast !== undefined && peak !== undefined && peakLine(forecast, peak, x, demandY)}
<path class="replicas" d="${stepPath(picture.replicas, x, replicaY, gapMs)}"></path>
<path class="floor" d="${stepPath(picture.floor, x, replicaY, gapMs)}"></path>
<line class="now" x1="${nowX}" x2="${nowX}" y1="${DEMAND_TOP}" y2="${REPLICAS_BOTTOM}"></line>
${tooltips(chart, x)}
</svg>`;
}

function timeAxis(px: number, label: string, i: number): Html {
  const at = px.toFixed(1);
  return html`<line class="grid" x1="${at}" x2="${at}" y1="${DEMAND_TOP}" y2="${REPLICAS_BOTTOM}"></line><text class="tick ${i % 2 === 1 && 'minor'}" x="${at}" y="${HEIGHT - 8}" text-anchor="middle">${label}</text>`;
}

function valueAxis(py: number, label: string): Html {
  const at = py.toFixed(1);
  return html`<line class="grid" x1="${LEFT}" x2="${RIGHT}" y1="${at}" y2="${at}"></line><text class="tick" x="${LEFT - 6}" y="${(py + 4).toFixed(1)}" text-anchor="end">${label}</text>`;
}

function peakLine({ issuedAt, peak: { windowMs } }: Forecast, peak: { readonly value: number }, x: Scale, y: Scale) {
  if (!Number.isFinite(peak.value)) return null;
  const at = y(peak.value).toFixed(1);
  const from = x(issuedAt);
  const to = Math.max(x(issuedAt + windowMs), from + SHORTEST_PEAK);
  return html`<line class="peak" x1="${from.toFixed(1)}" x2="${to.toFixed(1)}" y1="${at}" y2="${at}"></line>`;
}

/** A band of the two quantiles that are furthest apart, but not above `highest`, and lie symmetrically. */
function bandOf(quantiles: readonly QuantilePath[], highest: number) {
  for (const upper of [...quantiles].sort((a, b) => b.quantile - a.quantile)) {
    if (upper.quantile > highest || upper.quantile <= 0.5) continue;
    const lower = quantiles.find(({ quantile }) => Math.abs(quantile - (1 - upper.quantile)) < 1e-9);
    if (lower !== undefined) return { lower, upper };
  }
  return undefined;
}

/** What stands under the pointer, a quarter of an hour at a time, in words. */
function tooltips({ picture, forecast, range, now, timeZone }: WorkloadChart, x: Scale): readonly Html[] {
  const rects: Html[] = [];
  const ahead = forecast === undefined ? [] : timesOf(forecast);
  const outer = forecast === undefined ? undefined : bandOf(forecast.quantiles, 0.99);
  for (let start = range.start; start < range.end; start += HIT_MS) {
    const end = Math.min(start + HIT_MS, range.end);
    const words = [localTime(start, now, timeZone)];
    if (start < now) {
      words.push(reading('demand', picture.demand, start, end, amount));
      words.push(reading('floor', picture.floor, start, end, String));
      words.push(reading('replicas', picture.replicas, start, end, String));
    } else {
      const i = ahead.findIndex((time) => time >= start && time < end);
      if (i === -1 || forecast === undefined) continue;
      words.push(`expected demand ${amount(forecast.point[i]!)}`);
      if (outer !== undefined) {
        const share = Math.round((outer.upper.quantile - outer.lower.quantile) * 100);
        words.push(`${share} % between ${amount(outer.lower.values[i]!)} and ${amount(outer.upper.values[i]!)}`);
      }
    }
    const left = x(start);
    rects.push(
      html`<rect class="hit" x="${left.toFixed(1)}" y="${DEMAND_TOP}" width="${(x(end) - left).toFixed(1)}" height="${REPLICAS_BOTTOM - DEMAND_TOP}"><title>${words.join('\n')}</title></rect>`,
    );
  }
  return rects;
}

function reading(
  name: string,
  { times, values }: Samples,
  start: number,
  end: number,
  words: (n: number) => string,
): string {
  const i = times.findLastIndex((time) => time < end);
  return i === -1 || times[i]! < start ? `${name}: not known` : `${name} ${words(values[i]!)}`;
}

function timesOf({ issuedAt, stepMs, point }: Forecast): readonly number[] {
  return Array.from(point, (_, i) => issuedAt + (i + 1) * stepMs);
}

function highestOf(lists: readonly ArrayLike<number>[]): number {
  let highest = 0;
  for (const list of lists) {
    for (let i = 0; i < list.length; i++) if (Number.isFinite(list[i]!)) highest = Math.max(highest, list[i]!);
  }
  return highest;
}
