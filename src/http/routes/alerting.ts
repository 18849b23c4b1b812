import type { IncomingMessage } from 'node:http';
import type { Router } from 'express';
import { z } from 'zod';
import type { Caller } from '../../model/caller.ts';
import type { TenantId } from '../../model/tenant.ts';
import { formatInstant, type Millis } from '../../model/time.ts';
import { requireRole } from '../caller.ts';
import { sendData } from '../envelope.ts';
import { NotFoundError, TooManyTestsError } from '../errors.ts';
import { readDocument } from '../read-document.ts';
import { mount } from '../route.ts';
import { textBody } from '../text-body.ts';

/** A message that was given up, as it is shown. */
export interface DeadLetterView {
  readonly id: string;
  readonly receiver: string;
  readonly integration: string;
  readonly reason: string;
  readonly error: string;
  readonly attempts: number;
  readonly queuedAt: Millis;
  readonly diedAt: Millis;
  readonly message: {
    readonly status: string;
    readonly groupKey: string;
    readonly alerts: readonly { readonly labels: Readonly<Record<string, string>> }[];
  };
}

/** What became of a test of one integration. */
export interface TestOutcome {
  readonly integration: string;
  readonly kind: 'sent' | 'failed';
  readonly reason?: string;
  readonly message?: string;
}

export interface AlertingRouteDeps {
  readonly callerOf: (request: IncomingMessage) => Caller;
  readonly requestBytes: number;
  readonly deadLetters: (tenant: TenantId) => readonly DeadLetterView[];
  /** Of one or all of the tenant. How many. */
  readonly retry: (tenant: TenantId, id?: string) => Promise<number>;
  readonly drop: (tenant: TenantId, id?: string) => Promise<number>;
  /** @returns Milliseconds until a test may be made, or undefined: it may be now, and counts. */
  readonly admitTest: (tenant: TenantId, receiver: string) => Millis | undefined;
  readonly hasReceiver: (tenant: TenantId, receiver: string) => boolean;
  readonly test: (tenant: TenantId, receiver: string) => Promise<readonly TestOutcome[]>;
}

const TestRequest = z.strictObject({ receiver: z.string().min(1) });

/**
 * `GET /api/v1/alerting/dead-letters`: messages that were given up; `POST …/retry` and `DELETE` for all of them, or
 * `/api/v1/alerting/dead-letters/ID` for one. `POST /api/v1/alerting/test`: tells a receiver of a test, now.
 */
export function alertingRoutes(router: Router, deps: AlertingRouteDeps): void {
  const form = textBody(deps.requestBytes);
  const PATH = '/api/v1/alerting/dead-letters';
  const change =
    (how: AlertingRouteDeps['retry'], word: string) =>
    async (request: Parameters<AlertingRouteDeps['callerOf']>[0] & { params: Record<string, unknown> }) => {
      const { tenant } = requireRole(deps.callerOf(request), 'operator');
      const id = request.params['id'] === undefined ? undefined : String(request.params['id']);
      const count = await how(tenant, id);
      if (id !== undefined && count === 0) throw new NotFoundError(`there is no dead letter ${id.slice(0, 100)}`);
      return { [word]: count };
    };
  const retried = change(deps.retry, 'retried');
  const dropped = change(deps.drop, 'dropped');
  mount(router, PATH, {
    GET: (request, response) => {
      const { tenant } = deps.callerOf(request);
      sendData(response, { deadLetters: deps.deadLetters(tenant).map(letterAnswer) });
    },
    DELETE: async (request, response) => sendData(response, await dropped(request)),
  });
  mount(router, `${PATH}/retry`, {
    POST: async (request, response) => sendData(response, await retried(request)),
  });
  mount(router, `${PATH}/:id`, {
    DELETE: async (request, response) => sendData(response, await dropped(request)),
  });
  mount(router, `${PATH}/:id/retry`, {
    POST: async (request, response) => sendData(response, await retried(request)),
  });
  mount(router, '/api/v1/alerting/test', {
    POST: [
      form,
      async (request, response) => {
        const { tenant } = requireRole(deps.callerOf(request), 'operator');
        const { receiver } = TestRequest.parse(readDocument(request, 'the test'));
        if (!deps.hasReceiver(tenant, receiver)) {
          throw new NotFoundError(`there is no receiver ${receiver.slice(0, 200)}`);
        }
        const waitMs = deps.admitTest(tenant, receiver);
        if (waitMs !== undefined) {
          throw new TooManyTestsError(`the receiver ${receiver.slice(0, 200)} was tested too often lately`, waitMs);
        }
        const outcomes = await deps.test(tenant, receiver);
        sendData(response, { receiver, integrations: outcomes });
      },
    ],
  });
}

function letterAnswer({ message, queuedAt, diedAt, ...letter }: DeadLetterView): object {
  const { status, groupKey, alerts } = message;
  return {
    ...letter,
    queuedAt: formatInstant(queuedAt),
    diedAt: formatInstant(diedAt),
    status,
    groupKey,
    alerts: alerts.slice(0, 20).map(({ labels }) => labels),
  };
}
