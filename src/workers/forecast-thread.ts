import { workerData } from 'node:worker_threads';
import { createForecastDesk } from '../forecast/desk.ts';
import type { ForecastThreadData, ThreadNote } from './forecast-seat.ts';
import { giveWay } from './give-way.ts';
import { serveRequests } from './serve-requests.ts';
import { openNetworks } from './tenant-models.ts';

// Fits are many at a start, and whoever asks for a metric has milliseconds.
giveWay('soon');
const { models } = workerData as ForecastThreadData;
const notes: ThreadNote[] = [];
const networks = models && (await openNetworks(models, (note) => notes.push(note)));

serveRequests(createForecastDesk(undefined, networks?.of), {
  notes,
  takeUp: async ({ tenant, own }) => await networks?.takeUp(tenant, own),
});
