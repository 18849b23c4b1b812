import { formatInstant } from '../model/time.ts';
import type { SimulationReport, StrategyResult } from '../scaling/simulate.ts';

const WIDTH = 1200;
const PANEL = 180;
const LEFT = 60;
const TOP = 46;
/** A picture has no use for more points than pixels. */
const MOST_POINTS = 1100;

const COLOURS = { demand: '#c2410c', ready: '#2563eb', floor: '#16a34a', short: '#fecaca' };

/** A panel a strategy: the demand in replicas, the ready replicas, the floor, and where demand went over. */
export function simulationSvg(report: SimulationReport, title: string): string {
  const height = TOP + report.results.length * PANEL + 30;
  const most = Math.max(1, ...report.results.map((result) => highest(result, report.perReplica)));
  const panels = report.results.map((result, i) => panel(result, report, { top: TOP + i * PANEL, most }));
  const legend = (['demand', 'ready', 'floor'] as const)
    .map((name, i) => text(WIDTH - 260 + i * 90, 20, LEGEND[name], COLOURS[name]))
    .join('');
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    text(LEFT, 20, title, '#111', 15),
    legend,
    ...panels,
    text(LEFT, height - 8, formatInstant(report.from)),
    text(WIDTH - 130, height - 8, formatInstant(report.to)),
    '</svg>\n',
  ].join('\n');
}

/** A page that stands alone: the picture and the table. */
export function simulationHtml(report: SimulationReport, title: string, table: string): string {
  return [
    `<!doctype html><meta charset="utf-8"><title>${escapeXml(title)}</title>`,
    '<style>body{font-family:system-ui,sans-serif;max-width:1240px;margin:2em auto;padding:0 1em}svg{width:100%}</style>',
    `<h1>${escapeXml(title)}</h1>`,
    `<pre>${escapeXml(table)}</pre>`,
    simulationSvg(report, title),
  ].join('\n');
}

const LEGEND = { demand: 'demand', ready: 'ready', floor: 'floor' };

interface Place {
  readonly top: number;
  /** The highest value of all panels, in replicas. */
  readonly most: number;
}

function panel({ strategy, timeline, overCapacity }: StrategyResult, { perReplica }: SimulationReport, place: Place) {
  const points = timeline.times.length;
  const group = Math.max(1, Math.ceil(points / MOST_POINTS));
  const x = (i: number) => LEFT + (i / Math.max(1, points - 1)) * (WIDTH - LEFT - 20);
  const y = (replicas: number) => place.top + PANEL - 24 - (replicas / place.most) * (PANEL - 44);
  const groups = Array.from({ length: Math.ceil(points / group) }, (_, k) => k * group);
  const demand = (i: number) => timeline.demand[i]! / perReplica;
  const most = (from: number, of: (i: number) => number) => {
    let value = of(from);
    for (let i = from + 1; i < Math.min(from + group, points); i++) value = Math.max(value, of(i));
    return value;
  };
  const line = (of: (i: number) => number, colour: string, width = 1) =>
    `<polyline fill="none" stroke="${colour}" stroke-width="${width}" points="${groups.map((i) => `${x(i).toFixed(1)},${y(most(i, of)).toFixed(1)}`).join(' ')}"/>`;
  const short = groups
    .filter((from) => most(from, (i) => demand(i) - timeline.ready[i]!) > 0)
    .map(
      (i) =>
        `<rect x="${x(i).toFixed(1)}" y="${place.top + 14}" width="2" height="${PANEL - 38}" fill="${COLOURS.short}"/>`,
    );
  const bottom = y(0).toFixed(1);
  return [
    text(
      LEFT,
      place.top + 8,
      `${strategy}: ${(100 * overCapacity).toFixed(2)} % of the time over capacity`,
      '#111',
      13,
    ),
    ...short,
    `<line x1="${LEFT}" y1="${bottom}" x2="${WIDTH - 20}" y2="${bottom}" stroke="#999"/>`,
    text(LEFT - 36, y(0) + 4, '0'),
    text(LEFT - 36, y(place.most) + 4, place.most.toFixed(0)),
    line((i) => timeline.ready[i]!, COLOURS.ready),
    line((i) => timeline.floor[i]!, COLOURS.floor),
    line(demand, COLOURS.demand),
  ].join('\n');
}

function highest({ timeline }: StrategyResult, perReplica: number): number {
  let most = 0;
  for (let i = 0; i < timeline.times.length; i++) {
    most = Math.max(most, timeline.demand[i]! / perReplica, timeline.ready[i]!);
  }
  return most;
}

function text(x: number, y: number, content: string, colour = '#555', size = 12): string {
  return `<text x="${x}" y="${y.toFixed(1)}" fill="${colour}" font-size="${size}">${escapeXml(content)}</text>`;
}

function escapeXml(content: string): string {
  return content.replace(/[&<>"]/g, (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char]!);
}
