import { type Html, html } from '../../http/page/html.ts';
import { chart, PANEL_HEIGHT, PANEL_WIDTH, type Panel } from '../../http/svg/chart.ts';
import { CHART_STYLES } from '../../http/svg/chart-styles.ts';
import { tableLines } from '../table-lines.ts';
import type { Report, Section } from './report.ts';

const WIDTH = 1320;
const MARGIN = 20;
const LINE = 18;
const GAP = 20;

/** An image that stands alone: titles, tables and panels below one another. */
export function reportSvg({ title, notes, sections }: Report): string {
  let top = 34;
  const parts: Html[] = [html`<text class="heading" x="${MARGIN}" y="${top}">${title}</text>`];
  const write = (text: string, name: string) => {
    top += LINE;
    parts.push(html`<text class="${name}" x="${MARGIN}" y="${top}" xml:space="preserve">${text}</text>`);
  };
  for (const note of notes) write(note, 'prose');
  for (const section of sections) {
    top += GAP;
    if (section.title !== undefined) write(section.title, 'section');
    if (section.note !== undefined) write(section.note, 'prose');
    if (section.table !== undefined) for (const line of tableLines(section.table)) write(line, 'cells');
    top += GAP;
    top += placePanels(section, top, parts);
  }
  const height = top + MARGIN;
  return html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}">
<style>${styles()}</style><rect class="paper" width="${WIDTH}" height="${height}"></rect>
${parts}
</svg>
`.text;
}

/** Two narrow panels side by side, a wide one on its own. @returns The height that they take. */
function placePanels({ panels = [] }: Section, top: number, parts: Html[]): number {
  let height = 0;
  let column = 0;
  let row = 0;
  for (const panel of panels) {
    const wide = (panel.width ?? 0) > PANEL_WIDTH;
    if (column > 0 && wide) {
      height += row;
      [column, row] = [0, 0];
    }
    const { width, drawn } = scaled(panel, wide ? WIDTH - 2 * MARGIN : PANEL_WIDTH);
    row = Math.max(row, drawn + 10);
    const left = MARGIN + column * PANEL_WIDTH;
    parts.push(
      html`<svg x="${left}" y="${top + height}" width="${width}" height="${drawn}" overflow="visible">${chart(panel)}</svg>`,
    );
    column = wide ? 2 : column + 1;
    if (column < 2) continue;
    height += row;
    [column, row] = [0, 0];
  }
  return height + row;
}

function scaled({ width = PANEL_WIDTH, height = PANEL_HEIGHT }: Panel, to: number) {
  return { width: to, drawn: Math.round((height * to) / width) };
}

function styles(): Html {
  const own = `.paper{fill:var(--bg)}.heading{font:600 20px system-ui,sans-serif;fill:var(--text)}.section{font:600 15px system-ui,sans-serif;fill:var(--text)}.prose{font:13px system-ui,sans-serif;fill:var(--soft)}.cells{font:12.5px ui-monospace,Menlo,Consolas,monospace;fill:var(--text)}`;
  return html([CHART_STYLES + own] as unknown as TemplateStringsArray);
}
