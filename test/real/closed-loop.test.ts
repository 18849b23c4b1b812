import { expect, test } from 'vitest';
import { MINUTE } from '../../src/model/time.ts';
import { findControlPlane, NO_CONTROL_PLANE } from '../../src/testing/control-plane.ts';
import { STEP_MS, wave } from './closed-loop-demand.ts';
import { playClosedLoop } from './closed-loop-plane.ts';
import { closedLoopFigures } from './closed-loop-report.ts';

const assets = await findControlPlane();
/** One period of the demand. bench/closed-loop.ts plays ten minutes, and recorded workloads. */
const JUDGED_MS = 5 * MINUTE;
/** Forecasts may take this much longer to be trusted on a busy machine. */
const SPARE_MS = 15 * MINUTE;
/** Room for what rises with the floor a minute early, in so short a period. */
const MOST_POD_HOURS = 1.6;

/** The real HPA controller, a metric through the real aggregator, and pods that take 20 to 40 s to become Ready. */
test('a closed loop: less time over capacity than the HPA alone, by the state of the cluster', async ({
  skip,
  annotate,
}) => {
  if (assets === undefined) return skip(NO_CONTROL_PLANE);
  const demand = wave({ history: 9000, rows: (JUDGED_MS + SPARE_MS) / STEP_MS });
  const loop = await playClosedLoop({ assets, demands: [demand], warmUpMs: 3 * MINUTE, judgedMs: JUDGED_MS });
  const { reactive, foresail } = closedLoopFigures(loop).sum;
  const figures = ({ overMinutes, podHours }: typeof reactive) =>
    `${overMinutes.toFixed(2)} min over capacity, ${podHours.toFixed(2)} pod-hours`;
  await annotate(`reactive: ${figures(reactive)}; with Foresail: ${figures(foresail)}`);

  // Both were scaled, and the demand is one that the HPA alone is too late for.
  expect(reactive.scaleEvents).toBeGreaterThan(0);
  expect(foresail.scaleEvents).toBeGreaterThan(0);
  expect(reactive.overMinutes).toBeGreaterThan(0);
  expect(foresail.overMinutes).toBeLessThan(reactive.overMinutes / 2);
  expect(foresail.podHours).toBeLessThan(MOST_POD_HOURS * reactive.podHours);
  const floors = loop.demands[0]!.readings.reactive.map(({ floor }) => floor);
  expect(new Set(floors)).toEqual(new Set([1]));
});
