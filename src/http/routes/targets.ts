import type { IncomingMessage } from 'node:http';
import type { Router } from 'express';
import type { Caller } from '../../model/caller.ts';
import type { TenantId } from '../../model/tenant.ts';
import { sendData } from '../envelope.ts';
import { BadParameterError } from '../errors.ts';
import { limitOf, parametersOf } from '../parameters.ts';
import { mount } from '../route.ts';

type Labels = Readonly<Record<string, string>>;

/** A target as Prometheus shows it. */
export interface ActiveTarget {
  readonly discoveredLabels: Labels;
  readonly labels: Labels;
  readonly scrapePool: string;
  readonly scrapeUrl: string;
  readonly globalUrl: string;
  readonly lastError: string;
  /** RFC 3339. */
  readonly lastScrape: string;
  /** Seconds. */
  readonly lastScrapeDuration: number;
  readonly health: 'unknown' | 'up' | 'down';
  readonly scrapeInterval: string;
  readonly scrapeTimeout: string;
}

export interface TargetMetadata {
  readonly target: Labels;
  readonly metric: string;
  readonly type: string;
  readonly help: string;
  readonly unit: string;
}

export interface TargetsView {
  readonly activeTargets: readonly ActiveTarget[];
  readonly droppedTargets: readonly { readonly discoveredLabels: Labels; readonly scrapePool: string }[];
  readonly droppedTargetCounts: Readonly<Record<string, number>>;
}

export interface TargetsRouteDeps {
  readonly callerOf: (request: IncomingMessage) => Caller;
  readonly targets: (tenant: TenantId) => TargetsView;
  /** What targets say about their metrics, of one or of all. */
  readonly targetMetadata: (tenant: TenantId, metric: string | undefined) => readonly TargetMetadata[];
}

const STATES = ['active', 'dropped', 'any'];

/** `GET /api/v1/targets` and `/api/v1/targets/metadata`: what is scraped, as Prometheus tells it. */
export function targetsRoute(router: Router, deps: TargetsRouteDeps): void {
  mount(router, '/api/v1/targets', {
    GET: (request, response) => {
      const { tenant } = deps.callerOf(request);
      const parameters = parametersOf(request);
      const state = (parameters.get('state') ?? 'any').toLowerCase();
      if (!STATES.includes(state)) {
        throw new BadParameterError(
          'state',
          `expected active, dropped or any, got ${JSON.stringify(state.slice(0, 40))}`,
        );
      }
      const pool = parameters.get('scrapePool') ?? '';
      const { activeTargets, droppedTargets, droppedTargetCounts } = deps.targets(tenant);
      const ofPool = <T extends { readonly scrapePool: string }>(all: readonly T[]) =>
        pool === '' ? all : all.filter(({ scrapePool }) => scrapePool === pool);
      sendData(response, {
        activeTargets: state === 'dropped' ? [] : ofPool(activeTargets),
        droppedTargets: state === 'active' ? [] : ofPool(droppedTargets),
        ...(state !== 'active' && { droppedTargetCounts }),
      });
    },
  });
  mount(router, '/api/v1/targets/metadata', {
    GET: (request, response) => {
      const { tenant } = deps.callerOf(request);
      const parameters = parametersOf(request);
      const limit = limitOf(parameters) ?? Number.POSITIVE_INFINITY;
      sendData(response, deps.targetMetadata(tenant, parameters.get('metric') || undefined).slice(0, limit));
    },
  });
}
