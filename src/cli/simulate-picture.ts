import type { Panel } from '../http/svg/chart.ts';
import { formatInstant } from '../model/time.ts';
import type { SimulationReport, StrategyResult } from '../scaling/simulate.ts';
import type { Report } from './report/report.ts';

/** A panel a strategy: the demand in replicas, the ready replicas, the floor, and where demand went over. */
export function simulationPicture(
  report: SimulationReport,
  title: string,
  table: readonly (readonly string[])[],
): Report {
  const most = Math.max(1, ...report.results.map((result) => highest(result, report.perReplica)));
  return {
    title,
    notes: [`${formatInstant(report.from)} to ${formatInstant(report.to)}. Times are UTC.`],
    sections: [{ table, panels: report.results.map((result) => panelOf(result, report.perReplica, most)) }],
  };
}

function panelOf({ strategy, timeline, overCapacity }: StrategyResult, perReplica: number, most: number): Panel {
  const { times, demand, ready, floor } = timeline;
  const load = demand.map((value) => value / perReplica);
  return {
    title: strategy,
    note: `${(100 * overCapacity).toFixed(2)} % of the time over capacity; in replicas`,
    x: { kind: 'time', domain: [times[0] ?? 0, times.at(-1) ?? 1] },
    y: [0, most * 1.04],
    width: 1280,
    height: 240,
    layers: [
      { kind: 'spans', name: 'over capacity', tone: 'bad', spans: overSpans(times, load, ready) },
      { kind: 'steps', name: 'ready', tone: 'future', samples: { times, values: ready } },
      { kind: 'steps', name: 'floor', tone: 'third', samples: { times, values: floor } },
      { kind: 'line', name: 'demand', tone: 'second', samples: { times, values: load } },
    ],
  };
}

/** One strategy's panel on its own. */
export function strategyPanel(result: StrategyResult, perReplica: number, title: string): Panel {
  return { ...panelOf(result, perReplica, highest(result, perReplica)), title };
}

/** Stretches of time in which the demand is above what is ready. */
export function overSpans(
  times: Float64Array,
  demand: Float64Array,
  ready: Float64Array,
): readonly (readonly [number, number])[] {
  const spans: [number, number][] = [];
  for (let i = 0; i < times.length; i++) {
    if (!(demand[i]! > ready[i]!)) continue;
    const [from, to] = [times[i]!, times[i + 1] ?? times[i]!];
    const last = spans.at(-1);
    if (last !== undefined && last[1] === from) last[1] = to;
    else spans.push([from, to]);
  }
  return spans;
}

function highest({ timeline }: StrategyResult, perReplica: number): number {
  let most = 0;
  for (let i = 0; i < timeline.times.length; i++) {
    most = Math.max(most, timeline.demand[i]! / perReplica, timeline.ready[i]!);
  }
  return most;
}
