import type { ReplayTable, ServerStatus } from '../deps.ts';
import { type Html, html } from './html.ts';
import { replayTable } from './replay-table.ts';
import { STYLES } from './styles.ts';
import { duration, whole } from './words.ts';
import { type WorkloadCard, workloadCard } from './workload-card.ts';

export interface PageContent {
  readonly version: string;
  readonly uptimeMs: number;
  readonly tenant: string;
  readonly status: ServerStatus;
  readonly cards: readonly WorkloadCard[];
  readonly replay: ReplayTable | undefined;
}

const REFRESH_SECONDS = 15;

/** The page at `/`: everything in one document, which loads nothing and asks for itself again. */
export function page({ version, uptimeMs, tenant, status, cards, replay }: PageContent): Html {
  const { samples, series, cluster, problems } = status;
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Foresail</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><meta http-equiv="refresh" content="${REFRESH_SECONDS}">
<link rel="icon" href="data:,"><style>${style()}</style></head>
<body><main>
<div class="top"><h1>Foresail</h1><span><b>${whole(samples)}</b> samples of <b>${whole(series)}</b> series stored</span><span>cluster: <b>${cluster}</b></span>${tenant !== 'default' && html`<span>tenant: <b>${tenant}</b></span>`}<span>version ${version}, up ${duration(uptimeMs)}</span></div>
${problems.map((problem) => html`<p class="trouble">${problem}</p>`)}
${cards.length === 0 ? welcome() : html`<div class="cards">${cards.map(workloadCard)}</div>`}
${replay !== undefined && replay.rows.length > 0 && replayTable(replay)}
</main></body></html>
`;
}

/** The style sheet is ours: escaping would break its quotes. */
function style(): Html {
  const parts = [STYLES] as unknown as TemplateStringsArray;
  return html(parts);
}

function welcome(): Html {
  return html`<section><h2>No policy yet</h2>
<p class="note">A policy says what to scale, and what its demand is. Put one, and it shows here:</p>
<pre>curl -X PUT http://127.0.0.1:7070/api/v1/policies/shop/checkout --data-binary @- &lt;&lt;EOF
apiVersion: foresail.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: checkout, namespace: shop}
spec:
  target: {name: checkout}
  demand:
    query: sum(rate(http_requests_total{app="checkout"}[2m]))
    capacity: {perReplica: 120}
  replicas: {min: 2, max: 60}
EOF</pre></section>`;
}
