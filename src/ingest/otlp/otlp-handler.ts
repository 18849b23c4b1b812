import type { IncomingMessage, ServerResponse } from 'node:http';
import { RateLimitedError } from '../../model/rate-limited.ts';
import { DEFAULT_TENANT, type TenantId } from '../../model/tenant.ts';
import type { CoreMemory } from '../../wire/core-memory.ts';
import type { OtlpRequest } from '../../wire/otlp.ts';
import { encodeOtlpResponse, encodeOtlpStatus, type OtlpEncoding } from '../../wire/otlp-answer.ts';
import type { OtlpCore } from '../../wire/otlp-core.ts';
import { decodeOtlpJson } from '../../wire/otlp-json.ts';
import { decodeOtlpInSteps, decodeOtlpProtobuf } from '../../wire/otlp-protobuf.ts';
import { labelLimitsOf } from '../check-labels.ts';
import { discardRest } from '../discard-rest.ts';
import { type Admission, type Intake, openIntake } from '../intake.ts';
import { takeShare } from '../read-body.ts';
import { inFlight, RequestRefusal, refusalOfError, setRefusalHeaders } from '../request-refusal.ts';
import { takeBody } from '../take-body.ts';
import type { Sender, TenantRule } from '../tenant-of-series.ts';
import type { WriteAnswer } from '../write-handler.ts';
import { appendByResource } from './append-by-resource.ts';
import { appendOtlp, type OtlpStorage } from './append-otlp.ts';
import { countOtlpSamples } from './count-samples.ts';
import { DeltaCounters } from './delta-counters.ts';
import { inTurns } from './in-turns.ts';
import type { OtlpTranslation } from './labels.ts';
import { openSeenPoints } from './seen-points.ts';
import { type ResourceGroup, splitByResource } from './split-by-resource.ts';
import type { OtlpSummary } from './tally.ts';

export interface OtlpHandlerDeps {
  readonly storage: { tenant(id: TenantId): OtlpStorage };
  readonly translation: OtlpTranslation;
  /** Where points are remembered, so that they are not translated again. Default: nowhere. */
  readonly memory?: { readonly memory: CoreMemory; readonly core: OtlpCore };
  readonly now: () => number;
  /** Who sends. May throw: the answer is then what `statusOf` says of the error, else 400 or 500. */
  readonly callerOf: (request: IncomingMessage) => { readonly tenant: TenantId };
  readonly statusOf?: (error: unknown) => number | undefined;
  /** Where resources go to the tenants that an attribute names: by which rule, and who sends. `callerOf` is not asked. */
  readonly byLabel?: { readonly rule: TenantRule; readonly senderOf: (request: IncomingMessage) => Sender } | undefined;
  /** What no tenant is counted for. */
  readonly onDropped?: (reason: string, points: number) => void;
  readonly onRequest?: (tenant: TenantId, summary: OtlpSummary) => void;
  /** Called once for every request, when its answer is decided. */
  readonly onAnswer?: (answer: WriteAnswer) => void;
  /** Errors that are nobody's fault but ours. */
  readonly onError?: (error: unknown) => void;
  /** Default: one for this handler, without bounds for its tenants. */
  readonly intake?: Intake;
  /** Of a body, both packed and unpacked. */
  readonly maxBytes?: number;
}

const DEFAULT_MAX_BYTES = 32 << 20;
/** Of a decoded point, attribute or bucket in memory, roughly. */
const ELEMENT_BYTES = 64;
/** Of a scanned sample. */
const SAMPLE_BYTES = 28;

/**
 * The OTLP/HTTP receiver of metrics: a raw handler. Answers 200 once everything that can be stored is in the log and the
 * log is synced, with what was rejected in `partial_success`: senders do not send that again. What is stored already is
 * a success, so that they may retry after a 503.
 */
export function otlpHandler(deps: OtlpHandlerDeps): (request: IncomingMessage, response: ServerResponse) => void {
  const intake = deps.intake ?? openIntake({ now: () => performance.now() });
  const counters = new Map<TenantId, DeltaCounters>();
  const points = deps.memory && openSeenPoints(deps.memory.memory, deps.memory.core);
  return (request, response) => {
    const began = performance.now();
    const received: Receiving['received'] = { bytes: 0, tenant: undefined };
    const encoding = encodingOf(request);
    const turn = () => intake.beforeDiscard(received.tenant);
    const answered = (status: number, error?: unknown) => {
      const refusal = error instanceof RateLimitedError ? error.reason : undefined;
      const { tenant, bytes: receivedBytes } = received;
      deps.onAnswer?.({ tenant, status, refusal, seconds: (performance.now() - began) / 1_000, receivedBytes });
    };
    receive(request, deps, { intake, counters, points, received, encoding }).then(
      (body) => {
        answer(request, response, { body, encoding, turn });
        answered(200);
      },
      async (error: unknown) => {
        const refusal = refusalOfError(error, deps);
        await intake.beforeRefusal(received.tenant);
        const { status, message } = refusal;
        const body = encodeOtlpStatus(encoding ?? 'json', GRPC_CODES[status] ?? GRPC_UNKNOWN, message);
        answer(request, response, { body, encoding, refusal, turn });
        answered(status, error);
      },
    );
  };
}

interface Receiving {
  readonly intake: Intake;
  readonly counters: Map<TenantId, DeltaCounters>;
  readonly points: ReturnType<typeof openSeenPoints> | undefined;
  readonly received: { bytes: number; tenant: TenantId | undefined };
  readonly encoding: OtlpEncoding | undefined;
}

async function receive(request: IncomingMessage, deps: OtlpHandlerDeps, receiving: Receiving): Promise<Uint8Array> {
  const { intake, received, encoding } = receiving;
  const { method, headers } = request;
  if (method !== 'POST') throw new RequestRefusal(405, `${method} is not allowed here: use POST`);
  if (encoding === undefined) {
    const type = headers['content-type'] ?? '';
    throw new RequestRefusal(415, `cannot read "${type}": expected application/x-protobuf or application/json`);
  }
  const sender = deps.byLabel?.senderOf(request);
  const tenant = sender === undefined ? deps.callerOf(request).tenant : (sender.tenant ?? DEFAULT_TENANT);
  received.tenant = tenant;
  using body = await takeBody(request, { tenant, intake, received, maxBytes: deps.maxBytes ?? DEFAULT_MAX_BYTES });
  const { admission, bytes } = body;
  await admission.turn();
  const part: OtlpPart = {
    bytes: encoding === 'protobuf' ? bytes : undefined,
    decode: () => (encoding === 'json' ? decodeOtlpJson(bytes) : decodeOtlpProtobuf(bytes)),
  };
  const append = appendsTo(deps, receiving, admission);
  const summary =
    sender === undefined || deps.byLabel === undefined
      ? await append(tenant, part, (count) => {
          const isCounted = admission.isToCount(bytes.length);
          if (isCounted) admission.take(count());
          return (items) => isCounted || admission.charge(items);
        })
      : await appendByResource(splitByResource(bytes, encoding, splitRule(deps)), {
          ...deps.byLabel,
          sender,
          append: (to, group) =>
            append(to, group, (count) => {
              intake.take(to, count());
              return () => {};
            }),
          onDropped: (reason, count) => deps.onDropped?.(reason, count),
        });
  const { rejectedPoints, deferredPoints, messages } = summary;
  if (deferredPoints > 0) {
    throw new RequestRefusal(503, `${deferredPoints} points were not stored as a whole: the store is full`);
  }
  if (rejectedPoints === 0) return encodeOtlpResponse(encoding);
  const more = rejectedPoints > messages.length ? '; …' : '';
  return encodeOtlpResponse(encoding, { rejectedPoints, message: `${messages.join('; ')}${more}` });
}

function splitRule({ byLabel, translation }: OtlpHandlerDeps) {
  return { label: byLabel!.rule.label, strategy: translation.strategy };
}

/** A request, or what of it is one tenant's. */
type OtlpPart = Omit<ResourceGroup, 'value'>;

/** Judges by the samples that a part would become; what comes back takes what they were, where that is still to be done. */
type Judge = (count: () => number) => (items: number) => void;

function appendsTo(deps: OtlpHandlerDeps, { counters, points, intake }: Receiving, admission: Admission) {
  return async (tenant: TenantId, { bytes, decode }: OtlpPart, judge: Judge): Promise<OtlpSummary> => {
    const decoding = async (only?: ReadonlySet<number>) =>
      bytes === undefined ? decode() : await decodeInTurns(bytes, only, admission);
    const seen = bytes === undefined ? undefined : points?.of(tenant);
    const scanned = bytes === undefined ? undefined : seen?.scan(bytes);
    const decoded = scanned?.left.size === 0 ? NOTHING : await decoding(scanned?.left);
    const samples = scanned?.refs.length ?? 0;
    using room = takeShare(admission.budget, decoded.elements * ELEMENT_BYTES + samples * SAMPLE_BYTES);
    if (room === undefined) throw inFlight();
    const charge = judge(() => countOtlpSamples(decoded) + samples);
    const own = counters.get(tenant) ?? new DeltaCounters(deps.now);
    counters.set(tenant, own);
    const { rule } = deps.byLabel ?? {};
    const summary = await appendOtlp({ decoded, scanned, seen, whole: () => decoding() }, deps.storage.tenant(tenant), {
      translation: { ...deps.translation, ...(rule?.keep === false && { withoutLabel: rule.label }) },
      limits: labelLimitsOf(intake.limitsOf(tenant)),
      counters: own,
      turn: admission.turn,
    });
    points?.trim(tenant);
    charge(summary.items);
    deps.onRequest?.(tenant, summary);
    return summary;
  };
}

/** What is decoded so far has its share of the budget, whoever decodes in between. */
async function decodeInTurns(
  bytes: Uint8Array,
  only: ReadonlySet<number> | undefined,
  { budget, turn }: Admission,
): Promise<OtlpRequest> {
  let room: Disposable | undefined;
  const release = () => {
    room?.[Symbol.dispose]();
    room = undefined;
  };
  try {
    return await inTurns(decodeOtlpInSteps(bytes, only), async (elements) => {
      release();
      room = takeShare(budget, elements * ELEMENT_BYTES);
      if (room === undefined) throw inFlight();
      await turn();
    });
  } finally {
    release();
  }
}

const NOTHING: OtlpRequest = { resources: [], elements: 0 };

function encodingOf({ headers }: IncomingMessage): OtlpEncoding | undefined {
  const type = (headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
  if (type === 'application/x-protobuf') return 'protobuf';
  return type === 'application/json' ? 'json' : undefined;
}

/** gRPC's codes, which `Status` has: https://grpc.io/docs/guides/status-codes/ */
const GRPC_CODES: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  403: 7,
  404: 5,
  405: 12,
  413: 3,
  415: 3,
  429: 8,
  500: 13,
  503: 14,
};
const GRPC_UNKNOWN = 2;

interface Answer {
  readonly body: Uint8Array;
  readonly encoding: OtlpEncoding | undefined;
  /** Undefined: 200. */
  readonly refusal?: RequestRefusal;
  /** Before each part of what is left of the body. */
  readonly turn: () => Promise<void>;
}

function answer(request: IncomingMessage, response: ServerResponse, { body, encoding, refusal, turn }: Answer): void {
  if (response.destroyed || response.headersSent) return;
  response.setHeader('content-type', encoding === 'protobuf' ? 'application/x-protobuf' : 'application/json');
  if (refusal !== undefined) setRefusalHeaders(response, refusal);
  response.writeHead(refusal?.status ?? 200).end(body);
  discardRest(request, turn);
}
