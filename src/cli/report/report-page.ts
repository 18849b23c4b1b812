import { type Html, html } from '../../http/page/html.ts';
import { chart, PANEL_WIDTH } from '../../http/svg/chart.ts';
import { CHART_STYLES } from '../../http/svg/chart-styles.ts';
import type { Report, Section } from './report.ts';

const PAGE_STYLES = `
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1360px;margin:0 auto;padding:24px 20px 56px}h1{font-size:22px;margin:0 0 6px;letter-spacing:-.01em}h2{font-size:16px;margin:28px 0 6px}
p{margin:2px 0;color:var(--soft);font-size:14px;overflow-wrap:anywhere}
.panels{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(560px,100%),1fr));gap:18px 24px;margin-top:10px}
.wide{grid-column:1/-1}svg{display:block;width:100%;height:auto;overflow:visible}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:14px;margin-top:8px;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:4px 12px;white-space:nowrap}th{color:var(--soft);font-weight:500}th:first-child,td:first-child{text-align:left;padding-left:0}
tbody tr{border-top:1px solid var(--line)}.ours td{font-weight:600}
`;

/** Rows that are about what Foresail does itself. */
const OURS: readonly string[] = ['mix', 'foresail'];

/** A page that stands alone: it loads nothing, and follows the reader's light or dark. */
export function reportPage({ title, notes, sections }: Report): string {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">
<style>${styles()}</style></head>
<body><main><h1>${title}</h1>
${notes.map((note) => html`<p>${note}</p>`)}
${sections.map(sectionOf)}
</main></body></html>
`.text;
}

function sectionOf({ title, note, table, panels = [] }: Section): Html {
  return html`<section>${title !== undefined && html`<h2>${title}</h2>`}${note !== undefined && html`<p>${note}</p>`}
${table !== undefined && tableOf(table)}
${panels.length > 0 && html`<div class="panels">${panels.map((panel) => html`<div class="${(panel.width ?? 0) > PANEL_WIDTH && 'wide'}">${chart(panel)}</div>`)}</div>`}</section>`;
}

function tableOf([head, ...rows]: readonly (readonly string[])[]): Html {
  return html`<div class="scroll"><table><thead><tr>${head!.map((cell) => html`<th>${cell}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr class="${OURS.includes(row[0]!) && 'ours'}">${row.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table></div>`;
}

/** The style sheets are ours: escaping would break their quotes. */
function styles(): Html {
  return html([CHART_STYLES + PAGE_STYLES] as unknown as TemplateStringsArray);
}
