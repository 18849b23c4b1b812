import type { Router } from 'express';
import type { TellAlerts } from '../model/alert.ts';
import type { Parts } from './parts.ts';

/** Nothing moves before `run`. */
export function openRules(_parts: Parts, _tell: TellAlerts) {
  return {
    routes: [] as readonly ((router: Router) => void)[],
    async run(_signal: AbortSignal): Promise<void> {},
  };
}
