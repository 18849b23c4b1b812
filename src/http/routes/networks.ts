import type { Router } from 'express';
import type { z } from 'zod';
import type { ModelVersion } from '../../forecast/regressor/model-version.ts';
import type { NetworksAnswer } from '../api-schemas.ts';
import type { HttpDeps } from '../deps.ts';
import { sendData } from '../envelope.ts';
import { onlyParameters, parametersOf } from '../parameters.ts';
import { mount } from '../route.ts';

export type NetworksRouteDeps = Pick<HttpDeps, 'callerOf' | 'networkVersions'>;

/** `GET /api/v1/networks`: the versions of the tenant's network, with their scores. */
export function networksRoute(router: Router, deps: NetworksRouteDeps): void {
  mount(router, '/api/v1/networks', {
    GET: async (request, response) => {
      const { tenant } = deps.callerOf(request);
      onlyParameters(parametersOf(request), []);
      const versions = await deps.networkVersions(tenant);
      sendData(response, versions.map(networkAnswer));
    },
  });
}

function networkAnswer({ name, isCurrent, scores: known }: ModelVersion): z.infer<typeof NetworksAnswer>[number] {
  const scores = known?.scores;
  return {
    version: name,
    inForce: isCurrent,
    trainedAt: known === undefined ? null : known.trainedAt / 1000,
    against: known?.against ?? null,
    occasion: known === undefined ? null : (known.occasion ?? 'asked'),
    loss: scores?.candidate ?? null,
    lossOfAgainst: scores?.current ?? null,
    lossOfLastValue: scores?.lastValue ?? null,
    series: scores?.series ?? null,
    rows: scores?.rows ?? null,
    epochs: scores?.epochs ?? null,
  };
}
