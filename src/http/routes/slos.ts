import type { IncomingMessage } from 'node:http';
import type { Router } from 'express';
import type { Caller } from '../../model/caller.ts';
import type { TenantId } from '../../model/tenant.ts';
import { sendData } from '../envelope.ts';
import { onlyParameters, parametersOf } from '../parameters.ts';
import { mount } from '../route.ts';

/** What is known of an objective's budget, for each series that its expressions give. */
export interface SloSeriesView {
  readonly labels: Readonly<Record<string, string>>;
  /** Of the whole window, 0 to 1. Null: not known. */
  readonly errorRatio: number | null;
  /** 1: all of it; below 0: overrun. */
  readonly budgetRemaining: number | null;
  /** By window: 1 uses the budget up exactly when the objective's window ends. */
  readonly burnRate: Readonly<Record<string, number | null>>;
  /** When it is used up if errors go on as in the last hour, or day. Null: not within the objective's window. */
  readonly budgetEnds: Readonly<Record<'1h' | '1d', string | null>>;
}

export interface SloView {
  readonly name: string;
  /** A file, or `policy NAMESPACE/NAME`. */
  readonly source: string;
  readonly description?: string;
  /** Percent. */
  readonly objective: number;
  readonly window: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of its alerts. */
  readonly state: 'unknown' | 'inactive' | 'pending' | 'firing';
  readonly series: readonly SloSeriesView[];
}

export interface SlosRouteDeps {
  readonly callerOf: (request: IncomingMessage) => Caller;
  readonly slos: (tenant: TenantId) => Promise<readonly SloView[]>;
}

/** `GET /api/v1/slos`: objectives, what is left of their budgets, and when they end. */
export function slosRoute(router: Router, { callerOf, slos }: SlosRouteDeps): void {
  mount(router, '/api/v1/slos', {
    GET: async (request, response) => {
      const { tenant } = callerOf(request);
      onlyParameters(parametersOf(request), []);
      sendData(response, await slos(tenant));
    },
  });
}
