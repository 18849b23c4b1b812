import { openFillDemand } from '../loops/fill-demand.ts';
import { runLoop } from '../loops/run-loop.ts';
import { SECOND } from '../model/time.ts';
import type { Parts } from './parts.ts';
import type { SharedPlans } from './shared-plans.ts';

const SENT_EVERY_MS = SECOND;
const FILLED_EVERY_MS = 30 * SECOND;
/** What is not sent by then goes at the next start. */
const LAST_SENDING_MS = 5 * SECOND;

/** What there is to do only where samples are in an engine. Resolves when aborted, and what waits was tried once more. */
export async function runEngineLoops(parts: Parts, shared: SharedPlans, signal: AbortSignal): Promise<void> {
  const { clock, telemetry, metrics, samples, storage, settings, policies, coordination, log } = parts;
  const { engine } = samples;
  if (engine === undefined) return;
  const { outbox, queue } = engine;
  await engine.probe(signal);
  for (const problem of engine.problems()) log.error({ problem }, 'the engine of the samples cannot be used yet');

  const send = async () => {
    metrics.engineWaiting.set(outbox.waiting());
    await outbox.pass();
    metrics.engineWaiting.set(outbox.waiting());
  };
  const forward = async (until: AbortSignal) => {
    if (queue === undefined) return;
    const tell = () => {
      const { items, bytes } = queue.waiting();
      metrics.engineQueued.set(items);
      metrics.engineQueuedBytes.set(bytes);
    };
    tell();
    await queue.pass(until).finally(tell);
  };
  const loops = [
    runLoop({ name: 'outbox', intervalMs: SENT_EVERY_MS, clock, telemetry }, send, signal),
    runLoop({ name: 'queue', intervalMs: SENT_EVERY_MS, clock, telemetry }, forward, signal),
  ];
  const { membership } = coordination;
  if (membership !== undefined) {
    const fill = openFillDemand({
      ...{ now: clock.now, telemetry, policies: policies.list, storageOf: storage.tenant },
      share: membership,
    });
    loops.push(
      runLoop({ name: 'fill-demand', intervalMs: FILLED_EVERY_MS, clock, telemetry }, fill.pass, signal),
      runLoop({ name: 'shared-plans', intervalMs: settings.loops.scaleMs, clock, telemetry }, shared.refresh, signal),
    );
  }
  await Promise.all(loops);
  await outbox.pass().catch((error: unknown) => {
    log.warn({ err: error, samples: outbox.waiting() }, 'samples of our own are dropped: the engine takes none');
  });
  metrics.droppedSamples.inc({ reason: 'ended' }, outbox.waiting());
  await forward(AbortSignal.timeout(LAST_SENDING_MS)).catch(() => {});
}
