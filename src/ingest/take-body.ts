import type { IncomingMessage } from 'node:http';
import type { TenantId } from '../model/tenant.ts';
import { SECOND } from '../model/time.ts';
import { inTime } from './in-time.ts';
import { inflate } from './inflate.ts';
import type { Admission, Intake } from './intake.ts';
import { announcedBytes, readBody } from './read-body.ts';
import { inFlight, RequestRefusal } from './request-refusal.ts';

/** The unpacked body of a request that was let in. Dispose once it is answered. */
export interface TakenBody extends Disposable {
  readonly bytes: Uint8Array;
  readonly admission: Admission;
}

export interface TakeBodyOptions {
  readonly tenant: TenantId;
  readonly intake: Intake;
  /** Of a body, both packed and unpacked. */
  readonly maxBytes: number;
  /** Is given how much came over the wire. */
  readonly received: { bytes: number };
}

/** From a request's turn to be read to its end. */
const BODY_TIMEOUT_MS = 30 * SECOND;

/**
 * Lets a request in and reads its body, gzip or not.
 * @throws {RequestRefusal} If it is too large, too slow, or packed in another way.
 * @throws {RateLimitedError | IntakeFullError} As `Intake.admit`.
 */
export async function takeBody(
  request: IncomingMessage,
  { tenant, intake, received, ...options }: TakeBodyOptions,
): Promise<TakenBody> {
  const packing = (request.headers['content-encoding'] ?? '').toLowerCase();
  if (!['', 'identity', 'gzip'].includes(packing)) {
    throw new RequestRefusal(415, `cannot read the encoding "${packing}": expected gzip or none`);
  }
  const held: Disposable[] = [];
  const release = () => {
    for (let last = held.pop(); last !== undefined; last = held.pop()) last[Symbol.dispose]();
  };
  try {
    const admission = await intake.admit(tenant, announcedBytes(request));
    held.push(admission);
    // While it waited, its sender may have gone.
    if (request.destroyed) throw new RequestRefusal(499, 'the sender closed the connection');
    const maxBytes = Math.min(options.maxBytes, admission.limits.max_recv_msg_size || Infinity);
    const late = () => new RequestRefusal(408, `the body did not come within ${BODY_TIMEOUT_MS / SECOND} s`);
    const body = await inTime(readBody(request, maxBytes, admission.budget, admission.readTurn), BODY_TIMEOUT_MS, late);
    held.push(body);
    received.bytes = body.received;
    const packed = bytesOf(body, maxBytes);
    if (packing !== 'gzip') return { bytes: packed, admission, [Symbol.dispose]: release };
    await admission.turn();
    const unpacked = await inflate(packed, maxBytes, admission.budget);
    held.push(unpacked);
    return { bytes: bytesOf(unpacked, maxBytes), admission, [Symbol.dispose]: release };
  } catch (error) {
    release();
    if (!isUnpackError(error)) throw error;
    throw new RequestRefusal(400, `cannot unpack the body: ${error.message}`);
  }
}

function bytesOf(
  body: { readonly kind: 'bytes'; readonly bytes: Uint8Array } | { readonly kind: 'too-large' | 'no-room' },
  maxBytes: number,
): Uint8Array {
  if (body.kind === 'bytes') return body.bytes;
  if (body.kind === 'no-room') throw inFlight();
  throw new RequestRefusal(413, `the body is larger than ${maxBytes} bytes: send smaller batches`);
}

function isUnpackError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('Z_');
}
