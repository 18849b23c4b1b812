import { openTrainingLoop, type TrainingLoop } from '../loops/training-loop.ts';
import { trainInThread } from '../workers/train.ts';
import type { Parts } from './parts.ts';

/** Trains the tenants' networks in a thread that gives way, and keeps their versions in the data folder. */
export function openTraining(
  parts: Pick<Parts, 'clock' | 'telemetry' | 'policies' | 'storage' | 'settings' | 'networks' | 'versionsOf'>,
): TrainingLoop {
  const { clock, telemetry, policies, storage, settings, networks, versionsOf } = parts;
  return openTrainingLoop({
    clock,
    telemetry,
    policies: policies.list,
    tenants: storage.tenants,
    storageOf: storage.tenant,
    versionsOf,
    networks,
    train: (request, options) => trainInThread(request, { ...options, inBackground: true }),
    ...settings.training,
  });
}
