import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TenantId } from '../model/tenant.ts';
import { InvalidTenantError } from '../model/tenant.ts';
import { StorageFullError } from '../storage/errors.ts';
import type { Storage } from '../storage/storage.ts';
import { WireError } from '../wire/errors.ts';
import { decodeSnappy, snappyLength } from '../wire/snappy.ts';
import { type AppendSummary, appendRequest, type SeenLabels } from './append-request.ts';
import { DEFAULT_LABEL_LIMITS, type LabelLimits } from './check-labels.ts';
import { type BodyBudget, newBodyBudget, readBody, takeShare } from './read-body.ts';
import { type Scratches, takeScratch } from './scratch.ts';

export interface WriteHandlerDeps {
  readonly storage: Pick<Storage, 'tenant'>;
  readonly seenLabels: (tenant: TenantId) => SeenLabels;
  /** Who sends. May throw: the answer is then what `statusOf` says of the error, else 400 or 401. */
  readonly callerOf: (request: IncomingMessage) => { readonly tenant: TenantId };
  readonly statusOf?: (error: unknown) => number | undefined;
  /** Counts of a finished request, stored and dropped samples among them. */
  readonly onRequest?: (tenant: TenantId, summary: AppendSummary) => void;
  /** Called once for every request, when its answer is decided. */
  readonly onAnswer?: (answer: WriteAnswer) => void;
  /** Errors that are nobody's fault but ours. */
  readonly onError?: (error: unknown) => void;
  readonly limits?: Partial<WriteLimits>;
}

export interface WriteAnswer {
  readonly status: number;
  /** From the request's headers to the decision. */
  readonly seconds: number;
  /** Of the body, as it came over the wire. */
  readonly receivedBytes: number;
}

export interface WriteLimits {
  readonly labels: LabelLimits;
  /** Prometheus's own bounds. */
  readonly maxCompressedBytes: number;
  readonly maxDecodedBytes: number;
  /** Bodies of requests in flight, in all: beyond it 503. */
  readonly maxInFlightBytes: number;
}

const DEFAULT_WRITE_LIMITS: WriteLimits = {
  labels: DEFAULT_LABEL_LIMITS,
  maxCompressedBytes: 32 << 20,
  maxDecodedBytes: 32 << 20,
  maxInFlightBytes: 128 << 20,
};

/** How long a sender that was turned away should wait. */
const RETRY_AFTER_SECONDS = 5;

/** Of a body that was refused before its end; a sender with more to say is cut off. */
const MAX_DISCARDED_BYTES = 256 << 20;

/** A refusal that has its status already. */
class WriteRefusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * The remote write 1.0 receiver: a raw handler, for `/api/v1/write` and `/api/v1/push`, in front of everything else.
 *
 * Answers 204 once the samples are in the log and the log is synced. What cannot be stored is 400 with counts and the
 * first reasons, and the rest is kept. Samples that are stored already are a success, so that senders may retry.
 */
export function writeHandler(deps: WriteHandlerDeps): (request: IncomingMessage, response: ServerResponse) => void {
  const limits = { ...DEFAULT_WRITE_LIMITS, ...deps.limits };
  const budget = newBodyBudget(limits.maxInFlightBytes);
  const scratches: Scratches = [];
  return (request, response) => {
    const began = performance.now();
    const received = { bytes: 0 };
    const answered = (status: number) => {
      deps.onAnswer?.({ status, seconds: (performance.now() - began) / 1_000, receivedBytes: received.bytes });
    };
    receive(request, deps, { limits, budget, scratches, received }).then(
      () => {
        response.writeHead(204).end();
        answered(204);
      },
      (error: unknown) => {
        const refusal = refusalOf(error, deps);
        refuse(request, response, refusal);
        answered(refusal.status);
      },
    );
  };
}

interface Receiving {
  readonly limits: WriteLimits;
  readonly budget: BodyBudget;
  readonly scratches: Scratches;
  readonly received: { bytes: number };
}

async function receive(
  request: IncomingMessage,
  deps: WriteHandlerDeps,
  { limits, budget, scratches, received }: Receiving,
): Promise<void> {
  checkHeaders(request);
  const { tenant } = deps.callerOf(request);
  using body = await readBody(request, limits.maxCompressedBytes, budget);
  received.bytes = body.received;
  if (body.kind === 'too-large') {
    throw new WriteRefusal(413, `the body is larger than ${limits.maxCompressedBytes} bytes`);
  }
  if (body.kind === 'no-room') throw inFlight();
  using room = takeShare(budget, Math.min(snappyLength(body.bytes), limits.maxDecodedBytes));
  if (room === undefined) throw inFlight();
  using scratch = takeScratch(scratches);
  const bytes = decodeSnappy(body.bytes, { maxBytes: limits.maxDecodedBytes, buffer: scratch.buffer });
  const summary = await appendRequest(bytes, deps.storage.tenant(tenant), deps.seenLabels(tenant), limits.labels);
  deps.onRequest?.(tenant, summary);
  const { stored, refused, deferred, messages } = summary;
  if (deferred > 0) {
    throw new WriteRefusal(503, `${deferred} samples were not stored, ${stored} were: the store is full`);
  }
  if (refused > 0) {
    const more = refused > messages.length ? '; …' : '';
    throw new WriteRefusal(400, `${refused} samples were not stored, ${stored} were: ${messages.join('; ')}${more}`);
  }
}

function inFlight(): WriteRefusal {
  return new WriteRefusal(503, 'too many bytes of requests are in flight');
}

function checkHeaders({ method, headers }: IncomingMessage): void {
  if (method !== 'POST') throw new WriteRefusal(405, `${method} is not allowed here: use POST`);
  const [type = '', ...parameters] = (headers['content-type'] ?? '')
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  if (type !== '' && type !== 'application/x-protobuf') {
    throw new WriteRefusal(415, `cannot read "${type}": expected application/x-protobuf`);
  }
  for (const parameter of parameters) {
    const [name, value] = parameter.split('=');
    if (name === 'proto' && value !== 'prometheus.writerequest') {
      throw new WriteRefusal(415, `cannot read "${value}": expected prometheus.WriteRequest`);
    }
  }
  const encoding = (headers['content-encoding'] ?? '').toLowerCase();
  if (encoding !== '' && encoding !== 'snappy') {
    throw new WriteRefusal(415, `cannot read the encoding "${encoding}": expected snappy`);
  }
}

function refusalOf(error: unknown, { statusOf, onError }: WriteHandlerDeps): WriteRefusal {
  if (error instanceof WriteRefusal) return error;
  if (error instanceof WireError) return new WriteRefusal(400, error.message);
  if (error instanceof StorageFullError) return new WriteRefusal(503, error.message);
  const status = statusOf?.(error) ?? (error instanceof InvalidTenantError ? 400 : 500);
  if (status >= 500) onError?.(error);
  // What went wrong inside is not the sender's business.
  return new WriteRefusal(status, status >= 500 || !(error instanceof Error) ? 'internal error' : error.message);
}

function refuse(request: IncomingMessage, response: ServerResponse, { status, message }: WriteRefusal): void {
  if (response.destroyed || response.headersSent) return;
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  if (status === 405) response.setHeader('allow', 'POST');
  if (status === 503 || status === 429) response.setHeader('retry-after', String(RETRY_AFTER_SECONDS));
  response.writeHead(status).end(`${message}\n`);
  discardRest(request);
}

/** Senders read the answer after they wrote everything: closing at once would hide it behind a reset connection. */
function discardRest(request: IncomingMessage): void {
  if (request.complete) return;
  let left = MAX_DISCARDED_BYTES;
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) request.destroy();
  });
  request.resume();
}
