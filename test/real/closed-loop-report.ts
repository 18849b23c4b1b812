import type { Report, Section } from '../../src/cli/report/report.ts';
import { overSpans } from '../../src/cli/simulate-picture.ts';
import type { Panel } from '../../src/http/svg/chart.ts';
import { ARMS, type Arm, type PlayedDemand, type PlayedLoop, type Reading } from './closed-loop-plane.ts';

/** What became of one workload, by the cluster's own state. */
export interface LoopFigures {
  /** Time in which the demand was more than the ready pods carry. */
  readonly overMinutes: number;
  /** Of all pods that are not on their way out, ready or not. */
  readonly podHours: number;
  /** How often the Deployment's replicas were changed. */
  readonly scaleEvents: number;
  readonly readings: number;
}

/** Each reading holds until the next one. */
function figuresOf({ demand, perReplica }: PlayedDemand, readings: readonly Reading[]): LoopFigures {
  let [overMs, podMs, scaleEvents] = [0, 0, 0];
  for (const [i, { at, ready, pods, replicas }] of readings.entries()) {
    const next = readings[i + 1];
    if (next === undefined) break;
    if (demand.at(at) > ready * perReplica) overMs += next.at - at;
    podMs += pods * (next.at - at);
    if (next.replicas !== replicas) scaleEvents++;
  }
  return { overMinutes: overMs / 60_000, podHours: podMs / 3_600_000, scaleEvents, readings: readings.length };
}

/** The figures of a played loop: each demand's, and their sums. */
export function closedLoopFigures({ demands }: PlayedLoop) {
  const each = demands.map((played) => ({
    name: played.name,
    arms: armsOf((arm) => figuresOf(played, played.readings[arm])),
  }));
  const sum = armsOf((arm) => {
    const total = (figure: keyof LoopFigures) => each.reduce((all, { arms }) => all + arms[arm][figure], 0);
    return {
      overMinutes: total('overMinutes'),
      podHours: total('podHours'),
      scaleEvents: total('scaleEvents'),
      readings: total('readings'),
    };
  });
  return { demands: each, sum };
}

export function closedLoopTable({
  demands,
  sum,
}: ReturnType<typeof closedLoopFigures>): readonly (readonly string[])[] {
  const rows = [...demands, ...(demands.length > 1 ? [{ name: 'all', arms: sum }] : [])];
  return [
    ['', 'min over: reactive', 'foresail', 'pod-hours: reactive', 'foresail', 'ratio', 'events: reactive', 'foresail'],
    ...rows.map(({ name, arms: { reactive, foresail } }) => [
      name,
      reactive.overMinutes.toFixed(2),
      foresail.overMinutes.toFixed(2),
      reactive.podHours.toFixed(2),
      foresail.podHours.toFixed(2),
      (foresail.podHours / reactive.podHours).toFixed(3),
      String(reactive.scaleEvents),
      String(foresail.scaleEvents),
    ]),
  ];
}

/** Two panels a demand: the HPA alone, and over Foresail's floor. */
export function closedLoopPicture(loop: PlayedLoop, title: string, notes: readonly string[]): Report {
  const table = closedLoopTable(closedLoopFigures(loop));
  const sections = loop.demands.map((played): Section => ({ title: played.name, panels: panelsOf(loop, played) }));
  return { title, notes, sections: [{ table }, ...sections] };
}

function panelsOf({ from, to }: PlayedLoop, played: PlayedDemand): readonly Panel[] {
  const { demand, perReplica, readings } = played;
  const all = ARMS.flatMap((arm) => readings[arm]);
  const most = Math.max(...all.map(({ at, pods }) => Math.max(pods, demand.at(at) / perReplica)));
  return ARMS.map((arm): Panel => {
    const seen = readings[arm];
    const times = Float64Array.from(seen, ({ at }) => at);
    const load = times.map((at) => demand.at(at) / perReplica);
    const of = (pick: (reading: Reading) => number) => ({ times, values: Float64Array.from(seen, pick) });
    const ready = of((reading) => reading.ready);
    const { overMinutes, podHours } = figuresOf(played, seen);
    return {
      title: arm,
      note: `${overMinutes.toFixed(2)} min over capacity, ${podHours.toFixed(2)} pod-hours; in replicas`,
      x: { kind: 'time', domain: [from, to] },
      y: [0, most * 1.04],
      layers: [
        { kind: 'spans', name: 'over', tone: 'bad', spans: overSpans(times, load, ready.values) },
        { kind: 'steps', name: 'pods', tone: 'soft', samples: of((reading) => reading.pods) },
        { kind: 'steps', name: 'ready', tone: 'future', samples: ready },
        ...(arm === 'foresail'
          ? ([{ kind: 'steps', name: 'floor', tone: 'third', samples: of((reading) => reading.floor) }] as const)
          : []),
        { kind: 'line', name: 'demand', tone: 'second', samples: { times, values: load } },
      ],
    };
  });
}

function armsOf<T>(of: (arm: Arm) => T): Readonly<Record<Arm, T>> {
  return { reactive: of('reactive'), foresail: of('foresail') };
}
