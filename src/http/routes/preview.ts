import type { Router } from 'express';
import type { RegularSeries } from '../../model/series.ts';
import type { TenantId } from '../../model/tenant.ts';
import { DAY, MINUTE } from '../../model/time.ts';
import { evaluateHistory } from '../../observe/history.ts';
import type { DemandSpec } from '../../scaling/policy.ts';
import { withDeadline } from '../deadline.ts';
import type { HttpDeps } from '../deps.ts';
import { sendData } from '../envelope.ts';
import { BadParameterError } from '../errors.ts';
import type { ForecastGate } from '../forecast-gate.ts';
import { durationOf, onlyParameters, parametersInAddress } from '../parameters.ts';
import { previewAnswer } from '../preview-answer.ts';
import { readDocument } from '../read-document.ts';
import { mount } from '../route.ts';
import { textBody } from '../text-body.ts';
import { MAX_POLICY_BYTES } from './policies.ts';
import { asParameter } from './query.ts';

export type PreviewRouteDeps = Pick<HttpDeps, 'callerOf' | 'storage' | 'limits' | 'now' | 'checkPolicy' | 'preview'>;

const JUDGED_MS = 3 * DAY;
const SHORTEST_JUDGED_MS = 10 * MINUTE;
const START_UP_MS = 3 * MINUTE;

/** `POST /api/v1/policies/preview`: what a policy would have foreseen and done lately. Nothing is saved or changed. */
export function previewRoute(router: Router, deps: PreviewRouteDeps, gate: ForecastGate): void {
  const body = textBody(MAX_POLICY_BYTES);
  mount(router, '/api/v1/policies/preview', {
    POST: [
      body,
      async (request, response) => {
        const { tenant } = deps.callerOf(request);
        const parameters = parametersInAddress(request);
        onlyParameters(parameters, ['judge', 'timeout']);
        const judge = durationOf(parameters, 'judge');
        if (judge !== undefined && judge < SHORTEST_JUDGED_MS) {
          throw new BadParameterError('judge', 'expected a duration of ten minutes or more');
        }
        const { document, policy } = deps.checkPolicy(readDocument(request, 'the policy'));
        const judgedMs = Math.min(
          judge ?? JUDGED_MS,
          Math.min(...policy.demands.map(({ historyMs }) => historyMs)) / 2,
        );
        const mostMs = deps.limits.queryTimeoutMs;
        const timeoutMs = Math.min(durationOf(parameters, 'timeout') ?? mostMs, mostMs);
        const preview = await gate.through(tenant, () =>
          withDeadline(response, timeoutMs, async (signal) => {
            const demands: RegularSeries[] = [];
            for (const spec of policy.demands) demands.push(await demandOf(spec, tenant, deps, signal));
            return deps.preview(tenant, { policy, demands, judgedMs, startUpMs: START_UP_MS }, signal);
          }),
        );
        sendData(response, previewAnswer({ document, judgedMs, preview }));
      },
    ],
  });
}

/** A demand's whole history as its query answers now: several series are summed. */
async function demandOf(
  { query, stepMs, historyMs }: DemandSpec,
  tenant: TenantId,
  { storage, limits, now }: PreviewRouteDeps,
  signal: AbortSignal,
): Promise<RegularSeries> {
  const end = Math.floor(now() / stepMs) * stepMs;
  const range = { start: end - (Math.floor(historyMs / stepMs) - 1) * stepMs, end, stepMs };
  const options = { signal, maxSamples: limits.querySamples };
  const { series } = await asParameter('query', () => evaluateHistory(storage.tenant(tenant), query, range, options));
  const length = Math.floor((range.end - range.start) / stepMs) + 1;
  const sum = new Float64Array(length).fill(Number.NaN);
  for (const { values } of series) {
    for (let i = 0; i < length; i++) {
      const value = values[i]!;
      if (Number.isFinite(value)) sum[i] = Number.isNaN(sum[i]!) ? value : sum[i]! + value;
    }
  }
  return withoutLeadingGap({ start: range.start, stepMs, values: sum });
}

function withoutLeadingGap({ start, stepMs, values }: RegularSeries): RegularSeries {
  const first = Math.max(0, values.findIndex(Number.isFinite));
  return { start: start + first * stepMs, stepMs, values: values.subarray(first) };
}
