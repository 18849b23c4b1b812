import type { DayRow } from '../../cost/showback.ts';
import { type Html, html } from '../page/html.ts';
import { amount } from '../page/words.ts';
import { linearScale, numberTicks } from '../svg/scale.ts';

const WIDTH = 1000;
const HEIGHT = 240;
const LEFT = 56;
const RIGHT = 10;
const TOP = 14;
const BOTTOM = 26;

/** A bar for each day: what was recorded, on top what was estimated. Days of which hours are missing are hatched behind. */
export function dayBars(days: readonly DayRow[]): Html {
  const highest = Math.max(0, ...days.map(({ recorded, estimated }) => recorded + estimated));
  const top = highest === 0 ? 1 : highest * 1.05;
  const y = linearScale([0, top], [HEIGHT - BOTTOM, TOP]);
  const slot = (WIDTH - LEFT - RIGHT) / Math.max(1, days.length);
  const every = Math.ceil(days.length / 16);
  const width = px(Math.min(60, slot * 0.7));
  const bar = (i: number, from: number, to: number, name: string) =>
    to > from &&
    html`<rect class="${name}" x="${px(LEFT + slot * (i + 0.5) - Number(width) / 2)}" y="${px(y(to))}" width="${width}" height="${px(y(from) - y(to))}"></rect>`;
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Cost of each day">
<defs><pattern id="missing" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path class="hatch" d="M0 0V7"></path></pattern></defs>
${numberTicks([0, top], 4).map((value) => html`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${px(y(value))}" y2="${px(y(value))}"></line><text x="${LEFT - 7}" y="${px(y(value) + 4)}" text-anchor="end">${amount(value)}</text>`)}
${days.map(({ missingHours }, i) => missingHours > 0 && html`<rect fill="url(#missing)" x="${px(LEFT + slot * i)}" y="${TOP}" width="${px(slot)}" height="${HEIGHT - BOTTOM - TOP}"></rect>`)}
${days.map(({ start, recorded, estimated, missingHours }, i) => html`<g><title>${dayText(start)}: ${amount(recorded)} recorded, ${amount(estimated)} estimated, ${missingHours} h not known</title>${bar(i, 0, recorded, 'recorded')}${bar(i, recorded, recorded + estimated, 'estimated')}</g>${i % every === 0 && html`<text x="${px(LEFT + slot * (i + 0.5))}" y="${HEIGHT - 8}" text-anchor="middle">${dayText(start)}</text>`}`)}
</svg>`;
}

function dayText(start: number): string {
  return new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', weekday: 'short', day: 'numeric' }).format(start);
}

function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}
