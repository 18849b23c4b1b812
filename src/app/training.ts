import { openTrainingLoop, type TrainingLoop } from '../loops/training-loop.ts';
import { trainInThread } from '../workers/train.ts';
import type { Parts } from './parts.ts';

/** Trains the tenants' networks in a thread that gives way, and keeps their versions in the data folder. */
export function openTraining(
  parts: Pick<
    Parts,
    'clock' | 'telemetry' | 'policies' | 'storage' | 'settings' | 'networks' | 'versionsOf' | 'threads'
  >,
): TrainingLoop {
  const { clock, telemetry, policies, storage, settings, networks, versionsOf, threads } = parts;
  return openTrainingLoop({
    clock,
    telemetry,
    policies: policies.list,
    tenants: storage.tenants,
    storageOf: storage.tenant,
    versionsOf,
    networks,
    async train(request, options) {
      const end = threads.begin();
      try {
        return await trainInThread(request, { ...options, inBackground: true });
      } finally {
        end();
      }
    },
    ...settings.training,
  });
}
