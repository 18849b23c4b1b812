import type { z } from 'zod';
import type { Anomaly } from '../anomaly/anomaly.ts';
import { type Incident, movesInOrder } from '../anomaly/incident.ts';
import { seriesName } from '../anomaly/incident-alert.ts';
import { type Millis, SECOND } from '../model/time.ts';
import type { AnomalyAnswer, AnomalyRecord, WatchAnswer } from './anomaly-schemas.ts';

export interface WatchView {
  readonly name: string;
  readonly demand: { readonly namespace: string; readonly policy: string } | undefined;
  readonly query: string;
  readonly stepMs: number;
  readonly series: number;
  readonly learning: number;
  readonly anomalous: number;
  readonly refused: number;
  readonly through: Millis;
  readonly lastPassAt: Millis | undefined;
  readonly error: string | undefined;
}

export function anomalyAnswer(anomaly: Anomaly): z.infer<typeof AnomalyAnswer> {
  const { id, watch, labels, demand, severity, confirmed, since, endedAt, end, peak, incident, feedback } = anomaly;
  return {
    ...{ id, watch, labels: Object.fromEntries(labels), severity, confirmed, incident },
    policy:
      demand === undefined ? null : { namespace: demand.namespace, policy: demand.policy, workload: demand.workload },
    state: endedAt === undefined ? 'open' : 'ended',
    startedAt: since / SECOND,
    endedAt: endedAt === undefined ? null : endedAt / SECOND,
    end: end ?? null,
    peak: {
      ...{ at: peak.at / SECOND, score: peak.score, direction: peak.direction, part: peak.part },
      ...{
        value: finite(peak.value),
        expected: finite(peak.expected),
        lower: finite(peak.lower),
        upper: finite(peak.upper),
      },
    },
    feedback: feedback === undefined ? null : { ...feedback, at: feedback.at / SECOND },
    picture: `/api/v1/anomalies/${id}/picture.svg`,
  };
}

export function incidentAnswer(incident: Incident): NonNullable<z.infer<typeof AnomalyRecord>['group']> {
  const { id, labels, severity, startedAt, endedAt, members, related, deploys = [] } = incident;
  return {
    ...{ id, labels: { ...labels }, severity, startedAt: startedAt / SECOND },
    endedAt: endedAt === undefined ? null : endedAt / SECOND,
    members: members.map(({ anomaly, watch, labels: own, since, peak }) => ({
      ...{ anomaly, watch, labels: Object.fromEntries(own), startedAt: since / SECOND, score: peak.score },
    })),
    related: related.map(({ watch, labels: own, correlation }) => ({
      ...{ watch, labels: Object.fromEntries(own), correlation },
    })),
    deploys: deploys.map(({ namespace, workload, revision, images, at }) => ({
      ...{ namespace, workload, revision, images: [...images], startedAt: at / SECOND },
    })),
    order: movesInOrder(incident).map((move) => ({
      kind: move.kind,
      name:
        move.kind === 'deploy'
          ? `${move.deploy.namespace}/${move.deploy.workload}`
          : seriesName(move.member.watch, move.member.labels),
      startedAt: move.at / SECOND,
    })),
  };
}

export function watchAnswer(view: WatchView): z.infer<typeof WatchAnswer> {
  const { name, demand, query, stepMs, series, learning, anomalous, refused, through, lastPassAt, error } = view;
  const state = error !== undefined ? 'failing' : series === 0 || learning === series ? 'learning' : 'ready';
  return {
    ...{ name, query, state, series, learning, anomalous, refused },
    policy: demand ?? null,
    stepSeconds: stepMs / SECOND,
    through: through / SECOND,
    lastPassAt: lastPassAt === undefined ? null : lastPassAt / SECOND,
    error: error ?? null,
  };
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
