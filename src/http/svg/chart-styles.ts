/** The style sheet of charts that stand alone. Colours are variables, light or dark as the reader's system has it. */
export const CHART_STYLES = `
:root{color-scheme:light dark;--bg:#fff;--text:#1c2430;--soft:#5c6878;--line:#e6eaef;--past:#55627a;--future:#2563c9;--second:#b4470c;--third:#0b8a5c;--bad:#d3352c}
@media (prefers-color-scheme:dark){:root{--bg:#12171f;--text:#e4e9f0;--soft:#94a1b3;--line:#252e3b;--past:#a9b6c8;--future:#6ea8fe;--second:#f2945c;--third:#3fcf97;--bad:#ff7b72}}
.chart text{font:11.5px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--soft)}
.chart .title{font-size:13px;font-weight:600;fill:var(--text)}
.grid{stroke:var(--line);stroke-width:1}.rule{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 3}
.line{fill:none;stroke-width:1.6;stroke-linejoin:round;stroke-linecap:round}.dashed{stroke-dasharray:5 4}
.line.past{stroke:var(--past);stroke-width:1.3}.line.future{stroke:var(--future);stroke-width:2}.line.second{stroke:var(--second)}.line.third{stroke:var(--third)}.line.soft{stroke:var(--soft);stroke-width:1.1}.line.bad{stroke:var(--bad)}
.band{stroke:none;fill-opacity:.17}.band.past{fill:var(--past)}.band.future{fill:var(--future)}.band.second{fill:var(--second)}.band.third{fill:var(--third)}.band.soft{fill:var(--soft)}.band.bad{fill:var(--bad);fill-opacity:.3}
.dot{stroke:none}.dot.past{fill:var(--past)}.dot.future{fill:var(--future)}.dot.second{fill:var(--second)}.dot.third{fill:var(--third)}.dot.soft{fill:var(--soft)}.dot.bad{fill:var(--bad)}
`;
