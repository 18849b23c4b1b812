/** The page's only style sheet. Colours are variables, light or dark as the reader's system has it. */
export const STYLES = `
:root{color-scheme:light dark;--bg:#f5f6f8;--card:#fff;--text:#1c2430;--soft:#5c6878;--line:#e3e7ec;--demand:#2563c9;--band:#2563c9;--peak:#b4470c;--replicas:#7a8699;--floor:#0b8a5c;--bad:#b3261e;--future:#2563c90a}
@media (prefers-color-scheme:dark){:root{--bg:#0f141b;--card:#171e28;--text:#e4e9f0;--soft:#94a1b3;--line:#273140;--demand:#6ea8fe;--band:#6ea8fe;--peak:#f2945c;--replicas:#8d9bb0;--floor:#3fcf97;--bad:#ff8a80;--future:#6ea8fe0d}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1320px;margin:0 auto;padding:20px 16px 48px}
.top{display:flex;flex-wrap:wrap;align-items:baseline;gap:4px 20px;margin:4px 0 18px}
h1{font-size:22px;margin:0;letter-spacing:-.01em}
.top span{color:var(--soft);font-size:14px}.top b{color:var(--text);font-weight:600;font-variant-numeric:tabular-nums}
.cards{columns:2 500px;column-gap:16px}.cards article{break-inside:avoid;margin-bottom:16px}
article,section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:16px 18px}
section{margin-top:16px}
header{display:flex;align-items:center;gap:8px;flex-wrap:wrap}
h2{font-size:18px;margin:0}header h2{margin-right:auto}small{color:var(--soft);font-weight:400;font-size:14px}
h3{font-size:13px;font-weight:600;color:var(--soft);margin:14px 0 4px}
.badge{font-size:12px;padding:2px 9px;border-radius:99px;border:1px solid currentColor;color:var(--soft);white-space:nowrap}
.badge.trusting{color:var(--floor)}.badge.demoted,.badge.unreachable{color:var(--bad)}.badge.learning,.badge.enforce{color:var(--demand)}
dl{display:grid;grid-template-columns:repeat(6,1fr);gap:8px;margin:12px 0 10px}
dt{font-size:12px;color:var(--soft);white-space:nowrap}dd{margin:0;font-size:19px;font-weight:600;font-variant-numeric:tabular-nums;white-space:nowrap}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{font-size:11.5px;fill:var(--soft)}svg .caption{font-size:11.5px;font-weight:600}
.grid{stroke:var(--line);stroke-width:1}.future{fill:var(--future)}.now{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 3}
svg path{fill:none;stroke-linejoin:round;stroke-linecap:round}
svg .demand{stroke:var(--demand);stroke-width:1.6}svg .point{stroke:var(--demand);stroke-width:1.4;stroke-dasharray:1 4}
svg .band{fill:var(--band);fill-opacity:.2;stroke:none}.peak{stroke:var(--peak);stroke-width:3;stroke-linecap:round}
svg .replicas{stroke:var(--replicas);stroke-width:1.6}svg .floor{stroke:var(--floor);stroke-width:2}
.hit{fill:transparent}.hit:hover{fill:var(--soft);fill-opacity:.12}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 14px;margin:6px 0 0;padding:0;font-size:12px;color:var(--soft)}
.legend li::before{content:"";display:inline-block;width:14px;height:3px;border-radius:2px;margin-right:6px;vertical-align:middle;background:var(--demand)}
.legend .l-band::before{height:10px;opacity:.35}.legend .l-peak::before{background:var(--peak)}.legend .l-replicas::before{background:var(--replicas)}.legend .l-floor::before{background:var(--floor)}
.note,footer{color:var(--soft);font-size:13px;margin:8px 0 0}footer{border-top:1px solid var(--line);padding-top:8px;margin-top:14px}
.trouble{color:var(--bad);border-left:3px solid var(--bad);padding:2px 0 2px 10px;margin:10px 0 0;font-size:14px}
progress{width:100%;height:6px;accent-color:var(--demand)}
ol{margin:0;padding:0;list-style:none;font-size:14px}.reasons{padding-left:18px;list-style:decimal}
.decisions li{display:grid;grid-template-columns:auto auto 1fr;gap:10px;padding:3px 0;border-top:1px solid var(--line)}.decisions li:first-child{border:0}
.decisions time,.decisions b,td{font-variant-numeric:tabular-nums}.decisions time{color:var(--soft)}.decisions i{color:var(--soft)}
.decisions b{white-space:nowrap}.decisions time{white-space:nowrap}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:14px;margin-top:8px}
th,td{text-align:right;padding:4px 10px;white-space:nowrap;font-weight:400}th{color:var(--soft);vertical-align:top}
th:first-child,td:first-child,tbody th,tbody th+td,thead th:nth-child(2){text-align:left}tbody th{color:var(--text);font-weight:600}
tbody{border-top:1px solid var(--line)}.ours{font-weight:600}.ours td{font-weight:600;color:var(--floor)}
pre{background:var(--bg);border:1px solid var(--line);border-radius:8px;padding:12px;overflow-x:auto;font-size:13px}
@media (max-width:620px){main{padding:12px 10px 32px}article,section{padding:14px 12px}dl{grid-template-columns:repeat(3,1fr)}svg{margin-top:14px}svg text,svg .caption{font-size:17px}svg .minor{display:none}}
`;
