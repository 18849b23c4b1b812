import type { Samples } from '../../model/series.ts';
import { type Html, html } from '../page/html.ts';
import { amount } from '../page/words.ts';
import { bandPath, linePath, stepPath } from './paths.ts';
import { linearScale, numberTicks, type Scale, utcTicks } from './scale.ts';
import { thinned } from './thin.ts';

/** What a colour stands for; the style sheet says which it is, by day and by night. */
export type Tone = 'past' | 'future' | 'second' | 'third' | 'soft' | 'bad';

/** One thing that is drawn on the axes. Those with a name stand in the legend. */
export type Layer =
  | {
      readonly kind: 'line' | 'steps';
      readonly tone: Tone;
      readonly samples: Samples;
      readonly name?: string;
      readonly dashed?: boolean;
    }
  | {
      readonly kind: 'band';
      readonly tone: Tone;
      readonly xs: ArrayLike<number>;
      readonly lower: ArrayLike<number>;
      readonly upper: ArrayLike<number>;
      readonly name?: string;
    }
  | { readonly kind: 'bars'; readonly tone: Tone; readonly samples: Samples; readonly name?: string }
  | { readonly kind: 'dots'; readonly tone: Tone; readonly samples: Samples; readonly name?: string }
  | {
      readonly kind: 'spans';
      readonly tone: Tone;
      readonly spans: readonly (readonly [number, number])[];
      readonly name?: string;
    }
  /** A straight line across, at an x or a y. */
  | { readonly kind: 'rule'; readonly at: { readonly x: number } | { readonly y: number }; readonly label?: string };

/** A chart with its axes. `x` is an instant, or a number with its own words. */
export interface Panel {
  readonly title: string;
  /** Beside the title: what to know of it. */
  readonly note?: string;
  readonly x: { readonly kind: 'time' | 'number'; readonly domain: readonly [number, number]; readonly label?: string };
  /** Where it is left out, all that is drawn fits in. */
  readonly y?: readonly [number, number];
  readonly layers: readonly Layer[];
  readonly width?: number;
  readonly height?: number;
  readonly formatY?: (value: number) => string;
}

export const PANEL_WIDTH = 640;
export const PANEL_HEIGHT = 250;
const LEFT = 50;
const RIGHT = 14;
const TOP = 44;
const BOTTOM = 26;
/** Widths of a letter, in pixels: of most texts, with some to spare, and of a title. */
const LETTER = 6.3;
const WIDE_LETTER = 8;

/** A panel as an SVG element. It needs `CHART_STYLES` around it. */
export function chart(panel: Panel): Html {
  const { title, note, layers, width = PANEL_WIDTH, height = PANEL_HEIGHT, formatY = amount } = panel;
  const domain = panel.y ?? domainOf(layers);
  const x = linearScale(panel.x.domain, [LEFT, width - RIGHT]);
  const y = linearScale(domain, [height - BOTTOM, TOP]);
  const most = Math.max(2, Math.floor((width - LEFT) / 85));
  const marks =
    panel.x.kind === 'time'
      ? utcTicks(panel.x.domain, most)
      : numberTicks(panel.x.domain, most).map((time) => ({ time, label: amount(time) }));
  const { items, left } = legend(layers, width);
  return html`<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">
<text class="title" x="${LEFT}" y="15">${shortened(title, (left - LEFT) / WIDE_LETTER)}</text>${note !== undefined && html`<text class="note" x="${LEFT}" y="31">${shortened(note, (width - LEFT - RIGHT) / LETTER)}</text>`}
${items}
${marks.map(({ time, label }) => html`<line class="grid" x1="${px(x(time))}" x2="${px(x(time))}" y1="${TOP}" y2="${height - BOTTOM}"></line><text x="${px(x(time))}" y="${height - 9}" text-anchor="${x(time) > width - 40 ? 'end' : 'middle'}">${label}</text>`)}
${numberTicks(domain, Math.max(2, Math.floor(height / 55))).map((value) => html`<line class="grid" x1="${LEFT}" x2="${width - RIGHT}" y1="${px(y(value))}" y2="${px(y(value))}"></line><text x="${LEFT - 7}" y="${px(y(value) + 4)}" text-anchor="end">${formatY(value)}</text>`)}
${panel.x.label !== undefined && html`<text class="note" x="${width - RIGHT}" y="${height - BOTTOM - 5}" text-anchor="end">${panel.x.label}</text>`}
${layers.map((layer) => drawn(layer, x, y))}
</svg>`;
}

function drawn(layer: Layer, x: Scale, y: Scale): Html {
  const tone = 'tone' in layer ? layer.tone : 'soft';
  switch (layer.kind) {
    case 'line':
    case 'steps': {
      const path = layer.kind === 'line' ? linePath : stepPath;
      const samples = thinned(layer.samples, x);
      return html`<path class="line ${tone} ${layer.dashed === true && 'dashed'}" d="${path(samples, x, y)}"></path>`;
    }
    case 'band':
      return html`<path class="band ${tone}" d="${bandPath(layer.xs, layer.lower, layer.upper, x, y)}"></path>`;
    case 'bars': {
      const { times, values } = layer.samples;
      const base = y(Math.max(y.domain[0], Math.min(0, y.domain[1])));
      const ends = Array.from(times, (at, i) => `M${px(x(at))} ${px(base)}V${px(y(values[i]!))}`);
      return html`<path class="line ${tone}" d="${ends.filter((_, i) => Number.isFinite(values[i]!)).join('')}"></path>`;
    }
    case 'dots': {
      const { times, values } = layer.samples;
      return html`${Array.from(times, (at, i) => html`<circle class="dot ${tone}" cx="${px(x(at))}" cy="${px(y(values[i]!))}" r="3.5"></circle>`)}`;
    }
    case 'spans': {
      const [bottom, top] = y.range;
      return html`${layer.spans.map(([from, to]) => html`<rect class="band ${tone}" x="${px(x(from))}" y="${px(top)}" width="${px(Math.max(1.5, x(to) - x(from)))}" height="${px(bottom - top)}"></rect>`)}`;
    }
    case 'rule':
      return rule(layer, x, y);
  }
}

function rule({ at, label }: Extract<Layer, { kind: 'rule' }>, x: Scale, y: Scale): Html {
  if ('x' in at) {
    const left = px(x(at.x));
    return html`<line class="rule" x1="${left}" x2="${left}" y1="${px(y.range[1])}" y2="${px(y.range[0])}"></line>${label !== undefined && html`<text class="note" x="${px(x(at.x) + 4)}" y="${px(y.range[1] + 11)}">${label}</text>`}`;
  }
  const top = px(y(at.y));
  return html`<line class="rule" x1="${px(x.range[0])}" x2="${px(x.range[1])}" y1="${top}" y2="${top}"></line>${label !== undefined && html`<text class="note" x="${px(x.range[1])}" y="${px(y(at.y) - 4)}" text-anchor="end">${label}</text>`}`;
}

/** From the right edge to the left, on the line of the title. */
function legend(layers: readonly Layer[], width: number): { readonly items: readonly Html[]; readonly left: number } {
  let right = width - RIGHT;
  const items: Html[] = [];
  for (const layer of [...layers].reverse()) {
    if (layer.kind === 'rule' || layer.name === undefined) continue;
    const left = right - layer.name.length * LETTER - 20;
    const wide = layer.kind === 'band' || layer.kind === 'spans';
    const swatch = wide
      ? html`<rect class="band ${layer.tone}" x="${px(left)}" y="7" width="14" height="9"></rect>`
      : html`<path class="line ${layer.tone} ${'dashed' in layer && layer.dashed === true && 'dashed'}" d="M${px(left)} 11.5h14"></path>`;
    items.push(html`${swatch}<text x="${px(left + 18)}" y="15">${layer.name}</text>`);
    right = left - 10;
  }
  return { items, left: right };
}

function shortened(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, Math.max(1, Math.floor(most) - 1))}…`;
}

/** Low to high over all that is drawn, with room at the top; zero where all is one value. */
function domainOf(layers: readonly Layer[]): readonly [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const layer of layers) {
    for (const values of valuesOf(layer)) {
      for (let i = 0; i < values.length; i++) {
        if (!Number.isFinite(values[i]!)) continue;
        low = Math.min(low, values[i]!);
        high = Math.max(high, values[i]!);
      }
    }
  }
  if (low > high) return [0, 1];
  // Near zero, zero belongs to the picture.
  if (low > 0 && low < high / 2) low = 0;
  if (low === high) return low === 0 ? [0, 1] : [Math.min(0, 2 * low), Math.max(0, 2 * low)];
  return [low, high + (high - low) * 0.04];
}

function valuesOf(layer: Layer): readonly ArrayLike<number>[] {
  switch (layer.kind) {
    case 'band':
      return [layer.lower, layer.upper];
    case 'rule':
      return 'y' in layer.at ? [[layer.at.y]] : [];
    case 'spans':
      return [];
    case 'bars':
      return [layer.samples.values, [0]];
    case 'line':
    case 'steps':
    case 'dots':
      return [layer.samples.values];
  }
}

function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}
