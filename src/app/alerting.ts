import type { Router } from 'express';
import type { TellAlerts } from '../model/alert.ts';
import type { Parts } from './parts.ts';

export type Alerting = ReturnType<typeof openAlerting>;

/** Ties what becomes of alerts to the parts: state, silences, receivers. Nothing moves before `run`. */
export function openAlerting(_parts: Parts) {
  const tell: TellAlerts = async () => {};
  return {
    tell,
    routes: [] as readonly ((router: Router) => void)[],
    async run(_signal: AbortSignal): Promise<void> {},
  };
}
