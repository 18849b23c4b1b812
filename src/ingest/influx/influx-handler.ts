import type { IncomingMessage, ServerResponse } from 'node:http';
import { RateLimitedError } from '../../model/rate-limited.ts';
import { DEFAULT_TENANT, type TenantId } from '../../model/tenant.ts';
import type { Millis } from '../../model/time.ts';
import type { SeriesWriter } from '../../storage/write.ts';
import { type InfluxPrecision, isInfluxPrecision, readInfluxLines } from '../../wire/influx-line.ts';
import { discardRest } from '../discard-rest.ts';
import { type Intake, openIntake } from '../intake.ts';
import { newBodyBudget, readBody, takeShare } from '../read-body.ts';
import { inFlight, RequestRefusal, refusalOfError, setRefusalHeaders } from '../request-refusal.ts';
import { takeBody } from '../take-body.ts';
import type { Sender, TenantRule } from '../tenant-of-series.ts';
import type { WriteAnswer } from '../write-handler.ts';
import { appendInflux, type InfluxSummary } from './append-influx.ts';
import { databaseAnswer } from './databases.ts';
import { sinkByLabel, sinkOf, type TenantCounts } from './sample-sink.ts';

export interface InfluxHandlerDeps {
  readonly storage: { tenant(id: TenantId): Pick<SeriesWriter, 'ref' | 'write' | 'commit'> };
  readonly now: () => Millis;
  /** Who sends. May throw: the answer is then what `statusOf` says of the error, else 400 or 500. */
  readonly callerOf: (request: IncomingMessage) => { readonly tenant: TenantId };
  readonly statusOf?: (error: unknown) => number | undefined;
  /** Where series go to the tenants that a tag names: by which rule, and who sends. `callerOf` is not asked of writes. */
  readonly byLabel?: { readonly rule: TenantRule; readonly senderOf: (request: IncomingMessage) => Sender } | undefined;
  readonly onRequest?: (tenant: TenantId, summary: Pick<InfluxSummary, 'items' | 'stored' | 'dropped'>) => void;
  /** Called once for every write, when its answer is decided. */
  readonly onAnswer?: (answer: WriteAnswer) => void;
  /** Errors that are nobody's fault but ours. */
  readonly onError?: (error: unknown) => void;
  /** Default: one for these handlers, without bounds for their tenants. */
  readonly intake?: Intake;
  /** Of a body, both packed and unpacked. */
  readonly maxBytes?: number;
}

const DEFAULT_MAX_BYTES = 32 << 20;
/** Lines cannot be used. `line`: the first of them. */
class PartialWrite extends RequestRefusal {
  readonly line: number;

  constructor(message: string, line: number) {
    super(400, message);
    this.line = line;
  }
}

type RawHandler = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * InfluxDB's way in, versions 1 and 2 of its API: raw handlers by path. A write answers 204 once the samples are in the
 * log and the log is synced; lines that cannot be used are 400 with their numbers, and the others are stored.
 */
export function influxHandlers(deps: InfluxHandlerDeps): ReadonlyMap<string, RawHandler> {
  const intake = deps.intake ?? openIntake({ now: () => performance.now() });
  const write: RawHandler = (request, response) => {
    const began = performance.now();
    const received: Received = { bytes: 0, tenant: undefined };
    const turn = () => intake.beforeDiscard(received.tenant);
    const answered = (status: number, error?: unknown) => {
      const refusal = error instanceof RateLimitedError ? error.reason : undefined;
      const { tenant, bytes: receivedBytes } = received;
      const seconds = (performance.now() - began) / 1_000;
      deps.onAnswer?.({ tenant, status, refusal, seconds, receivedBytes });
    };
    receive(request, deps, intake, received).then(
      () => {
        answer(request, response, { status: 204, turn });
        answered(204);
      },
      async (error: unknown) => {
        const refusal = refusalOfError(error, deps);
        await intake.beforeRefusal(received.tenant);
        const { status, message } = refusal;
        const code = CODES[status] ?? 'internal error';
        // Version 1 of the API reads `error`, version 2 the others.
        const line = error instanceof PartialWrite ? { line: error.line } : {};
        answer(request, response, { status, body: { error: message, code, message, ...line }, refusal, turn });
        answered(status, error);
      },
    );
  };
  const nobody = () => intake.beforeDiscard(undefined);
  const ping: RawHandler = (request, response) => answer(request, response, { status: 204, turn: nobody });
  const query: RawHandler = (request, response) => {
    askDatabases(request, deps).then(
      (body) => answer(request, response, { status: 200, body, turn: nobody }),
      (error: unknown) => {
        const refusal = refusalOfError(error, deps);
        answer(request, response, { status: refusal.status, body: { error: refusal.message }, refusal, turn: nobody });
      },
    );
  };
  return new Map([
    ['/write', write],
    ['/api/v2/write', write],
    ['/ping', ping],
    ['/query', query],
  ]);
}

interface Received {
  bytes: number;
  tenant: TenantId | undefined;
}

async function receive(
  request: IncomingMessage,
  deps: InfluxHandlerDeps,
  intake: Intake,
  received: Received,
): Promise<void> {
  const { method } = request;
  if (method !== 'POST') throw new RequestRefusal(405, `${method} is not allowed here: use POST`);
  const parameters = parametersOf(request);
  const precision = parameters.get('precision') || 'ns';
  if (!isInfluxPrecision(precision)) {
    throw new RequestRefusal(400, `precision: expected ns, us, ms, s, m or h, got "${precision.slice(0, 20)}"`);
  }
  const sender = deps.byLabel?.senderOf(request);
  const tenant = sender === undefined ? deps.callerOf(request).tenant : (sender.tenant ?? DEFAULT_TENANT);
  received.tenant = tenant;
  using body = await takeBody(request, { tenant, intake, received, maxBytes: deps.maxBytes ?? DEFAULT_MAX_BYTES });
  const { admission, bytes } = body;
  // A text takes two bytes for each character where some are outside of Latin.
  using room = takeShare(admission.budget, bytes.length * 2);
  if (room === undefined) throw inFlight();
  await admission.turn();
  const text = textOf(bytes);
  const counts = new Map<TenantId, TenantCounts>();
  const to = { storage: deps.storage, intake, counts };
  const isByLabel = sender !== undefined && deps.byLabel !== undefined;
  const sink = isByLabel ? sinkByLabel(deps.byLabel.rule, sender, to) : sinkOf(tenant, to);
  const isCounted = isByLabel || admission.isToCount(bytes.length);
  if (isCounted && !isByLabel) admission.take(await countFields(text, precision, admission.turn));
  const summary = await appendInflux(text, sink, {
    precision,
    database: parameters.get('db') || parameters.get('bucket') || '',
    now: deps.now(),
    turn: admission.turn,
  });
  const { stored, refused, deferred, faults } = summary;
  if (!isCounted) admission.charge(stored + refused + deferred);
  if (isByLabel) tellTenants(tenant, summary, counts, deps);
  else deps.onRequest?.(tenant, summary);
  if (deferred > 0) {
    throw new RequestRefusal(503, `${deferred} samples were not stored, ${stored} were: the store is full`);
  }
  if (refused === 0) return;
  const told = faults.map(({ line, why }) => `line ${line}: ${why}`).join('; ');
  const more = refused > faults.length ? '; …' : '';
  throw new PartialWrite(`partial write: ${stored} samples were stored; ${told}${more}`, faults[0]!.line);
}

/** Lines that are read in a turn of some milliseconds. */
const LINES_IN_A_TURN = 2_048;

/** Ends in the turn of the last lines. */
async function countFields(text: string, precision: InfluxPrecision, turn: () => Promise<void>): Promise<number> {
  let fields = 0;
  let lines = 0;
  for (const read of readInfluxLines(text, precision)) {
    if ('fields' in read) fields += read.fields.length;
    if (++lines % LINES_IN_A_TURN === 0) await turn();
  }
  return fields;
}

/** What belongs to no tenant is told as the sender's. */
function tellTenants(
  sender: TenantId,
  { dropped }: InfluxSummary,
  counts: ReadonlyMap<TenantId, TenantCounts>,
  { onRequest }: Pick<InfluxHandlerDeps, 'onRequest'>,
): void {
  const rest = new Map(dropped);
  for (const [tenant, own] of counts) {
    onRequest?.(tenant, own);
    for (const [reason, count] of own.dropped) rest.set(reason, rest.get(reason)! - count);
  }
  const items = [...rest.values()].reduce((sum, count) => sum + count, 0);
  onRequest?.(sender, { items, stored: 0, dropped: new Map([...rest].filter(([, count]) => count > 0)) });
}

function parametersOf({ url = '' }: IncomingMessage): URLSearchParams {
  const start = url.indexOf('?');
  return new URLSearchParams(start === -1 ? '' : url.slice(start));
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new RequestRefusal(400, 'the body is not UTF-8');
  }
}

/** Of a statement about databases. */
const MAX_QUERY_BYTES = 16 * 1024;

async function askDatabases(request: IncomingMessage, deps: InfluxHandlerDeps): Promise<object> {
  deps.callerOf(request);
  using body = await readBody(request, MAX_QUERY_BYTES, newBodyBudget(MAX_QUERY_BYTES));
  if (body.kind !== 'bytes') throw new RequestRefusal(413, `the body is larger than ${MAX_QUERY_BYTES} bytes`);
  const statement = parametersOf(request).get('q') ?? new URLSearchParams(textOf(body.bytes)).get('q') ?? '';
  const answered = databaseAnswer(statement);
  if (answered !== undefined) return answered;
  throw new RequestRefusal(400, 'InfluxQL is not answered here: ask in PromQL, at /api/v1/query');
}

/** InfluxDB 2's own words. */
const CODES: Readonly<Record<number, string>> = {
  400: 'invalid',
  401: 'unauthorized',
  403: 'forbidden',
  405: 'method not allowed',
  413: 'request too large',
  415: 'invalid',
  429: 'too many requests',
  503: 'unavailable',
};

/** What clients look for: a version 1 whose write API this is. */
const VERSION = '1.8-foresail';

interface Answer {
  readonly status: number;
  readonly body?: object | undefined;
  readonly refusal?: RequestRefusal;
  /** Before each part of what is left of the body. */
  readonly turn: () => Promise<void>;
}

function answer(request: IncomingMessage, response: ServerResponse, { status, body, refusal, turn }: Answer): void {
  if (response.destroyed || response.headersSent) return;
  response.setHeader('x-influxdb-version', VERSION);
  if (body !== undefined) response.setHeader('content-type', 'application/json');
  if (refusal !== undefined) setRefusalHeaders(response, refusal);
  response.writeHead(status).end(body && JSON.stringify(body));
  discardRest(request, turn);
}
