import type { IncomingMessage, ServerResponse } from 'node:http';
import { RateLimitedError } from '../model/rate-limited.ts';
import type { TenantId } from '../model/tenant.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { SECOND } from '../model/time.ts';
import type { Storage } from '../storage/storage.ts';
import type { CoreMemory } from '../wire/core-memory.ts';
import type { LabelTables } from '../wire/label-tables.ts';
import type { WriteProtocol } from '../wire/part-lists.ts';
import { announcedLength, type DecodeOptions, WriteBody } from '../wire/write-body.ts';
import { appendByLabel } from './append-by-label.ts';
import { appendRequest } from './append-request.ts';
import { AppendSummary } from './append-summary.ts';
import { labelLimitsOf } from './check-labels.ts';
import { ItemCount } from './count-items.ts';
import { discardRest } from './discard-rest.ts';
import { freePieces } from './free-pieces.ts';
import { inTime } from './in-time.ts';
import { type Intake, openIntake } from './intake.ts';
import { announcedBytes, readBody, takeShare } from './read-body.ts';
import { inFlight, RequestRefusal, refusalOfError, setRefusalHeaders } from './request-refusal.ts';
import type { Sender, TenantRule } from './tenant-of-series.ts';

export interface WriteHandlerDeps {
  readonly storage: Pick<Storage, 'tenant'>;
  /** Labels as senders write them, to references of that storage. Requests are decoded in its memory. */
  readonly labels: LabelTables;
  /** Who sends. May throw: the answer is then what `statusOf` says of the error, else 400 or 401. */
  readonly callerOf: (request: IncomingMessage) => { readonly tenant: TenantId };
  readonly statusOf?: (error: unknown) => number | undefined;
  /** Counts of a finished request, stored and dropped samples among them. */
  readonly onRequest?: (tenant: TenantId, summary: AppendSummary) => void;
  /** What no tenant is counted for: it names none, or one that the sender may not write to. */
  readonly onDropped?: (reason: string, items: number) => void;
  /** Called once for every request, when its answer is decided. */
  readonly onAnswer?: (answer: WriteAnswer) => void;
  /** Errors that are nobody's fault but ours. */
  readonly onError?: (error: unknown) => void;
  /** Where series go to the tenants that their labels name: by which rule, and who sends. `callerOf` is not asked. */
  readonly byLabel?: { readonly rule: TenantRule; readonly senderOf: (request: IncomingMessage) => Sender } | undefined;
  /** Default: one for this handler, without bounds for its tenants. */
  readonly intake?: Intake;
  readonly limits?: Partial<WriteLimits>;
}

export interface WriteAnswer {
  /** Undefined where the sender was refused before it was known. */
  readonly tenant: TenantId | undefined;
  readonly status: number;
  /** Of remote write: which of them. */
  readonly protocol?: WriteProtocol;
  /** Why the whole request was refused for its tenant's limits. */
  readonly refusal: string | undefined;
  /** From the request's headers to the decision. */
  readonly seconds: number;
  /** Of the body, as it came over the wire. */
  readonly receivedBytes: number;
}

export interface WriteLimits {
  /** Prometheus's own bounds. */
  readonly maxCompressedBytes: number;
  readonly maxDecodedBytes: number;
  /** From a request's turn to be read to its end: as long as Prometheus waits for the answer by default. */
  readonly bodyTimeoutMs: number;
}

const DEFAULT_WRITE_LIMITS: WriteLimits = {
  maxCompressedBytes: 32 << 20,
  maxDecodedBytes: 32 << 20,
  bodyTimeoutMs: 30 * SECOND,
};

/**
 * The remote write receiver, 1.0 and 2.0: a raw handler, for `/api/v1/write` and `/api/v1/push`, in front of everything
 * else. The content type alone tells which of them a request is.
 *
 * Answers 204 once the samples are in the log and the log is synced. What cannot be stored is 400 with counts and the
 * first reasons, and the rest is kept. Samples that are stored already are a success, so that senders may retry.
 */
export function writeHandler(deps: WriteHandlerDeps): (request: IncomingMessage, response: ServerResponse) => void {
  const limits = { ...DEFAULT_WRITE_LIMITS, ...deps.limits };
  const intake = deps.intake ?? openIntake({ now: () => performance.now() });
  return (request, response) => {
    const receiving: Receiving = { protocol: '1.0', receivedBytes: 0, tenant: undefined, summary: undefined };
    void answer(request, response, { ...deps, limits, intake }, receiving);
  };
}

interface Context extends Omit<WriteHandlerDeps, 'limits' | 'intake'> {
  readonly limits: WriteLimits;
  readonly intake: Intake;
}

/** What is known of a request so far. */
interface Receiving {
  protocol: WriteProtocol;
  receivedBytes: number;
  tenant: TenantId | undefined;
  /** Once all that could be stored is. */
  summary: AppendSummary | undefined;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  context: Context,
  receiving: Receiving,
): Promise<void> {
  const began = performance.now();
  let status = 204;
  let refusal: string | undefined;
  try {
    await receive(request, context, receiving);
    if (receiving.protocol === '2.0') setWritten(response, receiving.summary);
    response.writeHead(204).end();
  } catch (error) {
    const refused = refusalOfError(error, context);
    status = refused.status;
    if (error instanceof RateLimitedError) refusal = error.reason;
    if (receiving.protocol === '2.0' && !response.headersSent) setWritten(response, receiving.summary);
    await context.intake.beforeRefusal(receiving.tenant);
    refuse(request, response, refused, () => context.intake.beforeDiscard(receiving.tenant));
  }
  const { tenant, protocol, receivedBytes } = receiving;
  const seconds = (performance.now() - began) / 1_000;
  context.onAnswer?.({ tenant, status, protocol, refusal, seconds, receivedBytes });
}

async function receive(request: IncomingMessage, context: Context, receiving: Receiving): Promise<void> {
  const { limits, intake, labels, storage } = context;
  if (request.method !== 'POST') throw new RequestRefusal(405, `${request.method} is not allowed here: use POST`);
  receiving.protocol = protocolOf(request.headers['content-type']);
  checkEncoding(request.headers['content-encoding']);
  const sender = context.byLabel?.senderOf(request);
  const tenant = sender === undefined ? context.callerOf(request).tenant : (sender.tenant ?? DEFAULT_TENANT);
  receiving.tenant = tenant;
  using admission = await intake.admit(tenant, announcedBytes(request));
  const { budget } = admission;
  // While it waited, its sender may have gone.
  if (request.destroyed) throw new RequestRefusal(499, 'the sender closed the connection');
  const maxBytes = Math.min(limits.maxCompressedBytes, admission.limits.max_recv_msg_size || Infinity);
  using received = await inTime(readBody(request, maxBytes, budget, admission.readTurn), limits.bodyTimeoutMs, () => {
    return new RequestRefusal(408, `the body did not come within ${limits.bodyTimeoutMs / SECOND} s`);
  });
  receiving.receivedBytes = received.received;
  if (received.kind === 'too-large') throw new RequestRefusal(413, tooLarge(maxBytes));
  if (received.kind === 'no-room') throw inFlight();
  const maxDecoded = Math.min(limits.maxDecodedBytes, admission.limits.max_recv_msg_size || Infinity);
  const { length } = announcedLength(received.pieces);
  if (length > maxDecoded && maxDecoded < limits.maxDecodedBytes) throw new RequestRefusal(413, tooLarge(maxDecoded));
  using room = takeShare(budget, Math.min(length, maxDecoded));
  if (room === undefined) throw inFlight();
  await admission.turn();
  const { protocol } = receiving;
  using body = await decodeInTurns(labels.memory, received.pieces, { protocol, maxBytes: maxDecoded }, admission.turn);
  freePieces(received.pieces);
  const summary = new AppendSummary();
  receiving.summary = summary;
  const append = async (to: TenantId, part: WriteBody) => {
    const ofTenant = intake.limitsOf(to);
    const done = await appendRequest(part, {
      writer: storage.tenant(to),
      labels: labels.of(to),
      limits: labelLimitsOf(ofTenant),
      rules: { limits: ofTenant, turn: admission.turn },
    });
    summary.add(done);
    context.onRequest?.(to, done);
    return done;
  };
  if (sender === undefined || context.byLabel === undefined) {
    const isCounted = admission.isToCount(body.length);
    if (isCounted) admission.take(await countInTurns(body, admission.turn));
    await append(tenant, body);
    if (!isCounted) admission.charge(summary.items);
  } else {
    const { rule } = context.byLabel;
    await appendByLabel(body.bytes(0, body.length), protocol, {
      rule,
      sender,
      intake,
      async append(to, bytes) {
        using part = WriteBody.of(labels.memory, bytes, protocol);
        return (await append(to, part)).totals;
      },
      onDropped: (reason, count) => context.onDropped?.(reason, count),
      onRefused: (items, message) => summary.turnAway(items, message),
    });
  }
  if (summary.deferred > 0) {
    const { deferred, stored } = summary;
    throw new RequestRefusal(503, `${deferred} samples were not stored, ${stored.samples} were: the store is full`);
  }
  if (summary.refusals > 0) throw new RequestRefusal(400, summary.complaint);
}

/** Ends in the turn of the last step. */
async function decodeInTurns(
  memory: CoreMemory,
  pieces: readonly Uint8Array[],
  options: DecodeOptions,
  turn: () => Promise<void>,
): Promise<WriteBody> {
  const steps = WriteBody.decodeInSteps(memory, pieces, options);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await turn();
  }
}

/** Ends in the turn of the last step. */
async function countInTurns(body: WriteBody, turn: () => Promise<void>): Promise<number> {
  const count = new ItemCount(body.protocol);
  while (!count.step(body.bytes(0, body.length))) await turn();
  return count.items;
}

/** 2.0 wants to know what was written, whatever the answer. */
function setWritten(response: ServerResponse, summary: AppendSummary | undefined): void {
  response.setHeader('x-prometheus-remote-write-samples-written', String(summary?.stored.samples ?? 0));
  response.setHeader('x-prometheus-remote-write-histograms-written', String(summary?.stored.histograms ?? 0));
  response.setHeader('x-prometheus-remote-write-exemplars-written', String(summary?.stored.exemplars ?? 0));
}

function tooLarge(maxBytes: number): string {
  return `the body is larger than ${maxBytes} bytes (err-mimir-distributor-max-write-message-size)`;
}

const PROTOCOLS = new Map<string, WriteProtocol>([
  ['prometheus.writerequest', '1.0'],
  ['io.prometheus.write.v2.request', '2.0'],
]);
const KNOWN_TYPES = new Map<string, WriteProtocol>([
  ['application/x-protobuf', '1.0'],
  ['application/x-protobuf;proto=prometheus.WriteRequest', '1.0'],
  ['application/x-protobuf;proto=io.prometheus.write.v2.Request', '2.0'],
]);

/** As the specification has it, the content type alone decides. None at all is what the oldest senders send. */
function protocolOf(contentType: string | undefined): WriteProtocol {
  const known = KNOWN_TYPES.get(contentType ?? '');
  if (known !== undefined) return known;
  const [type = '', ...parameters] = (contentType ?? '')
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  if (type !== '' && type !== 'application/x-protobuf') {
    throw new RequestRefusal(415, `cannot read "${type}": expected application/x-protobuf`);
  }
  let protocol: WriteProtocol = '1.0';
  for (const parameter of parameters) {
    const [name, value = ''] = parameter.split('=').map((part) => part.trim().replace(/^"(.*)"$/, '$1'));
    if (name !== 'proto') continue;
    const named = PROTOCOLS.get(value);
    if (named === undefined) {
      const expected = 'prometheus.WriteRequest or io.prometheus.write.v2.Request';
      throw new RequestRefusal(415, `cannot read "${value}": expected ${expected}`);
    }
    protocol = named;
  }
  return protocol;
}

function checkEncoding(contentEncoding = ''): void {
  const encoding = contentEncoding.toLowerCase();
  if (encoding === '' || encoding === 'snappy') return;
  throw new RequestRefusal(415, `cannot read the encoding "${encoding}": expected snappy`);
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  refusal: RequestRefusal,
  turn: () => Promise<void>,
): void {
  const { status, message } = refusal;
  if (response.destroyed || response.headersSent) return;
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  setRefusalHeaders(response, refusal);
  response.writeHead(status).end(`${message}\n`);
  if (status === 408) response.once('finish', () => request.destroy());
  else discardRest(request, turn);
}
