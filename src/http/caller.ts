import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Caller, Role } from '../model/caller.ts';
import { allows } from '../model/caller.ts';
import { DEFAULT_TENANT, parseTenant, type TenantId } from '../model/tenant.ts';
import { ForbiddenError, UnauthenticatedError } from './errors.ts';

export interface CallerSettings {
  readonly tenancyOn: boolean;
  /** None: nobody is asked who they are. */
  readonly tokens: readonly { readonly token: string; readonly tenant: TenantId; readonly role: Role }[];
  /** Where nobody is asked who they are: throws at what no honest client of this machine sends (`hostCheck`). */
  readonly checkHost?: ((request: IncomingMessage) => void) | undefined;
}

/**
 * Says on whose data a request works.
 *
 * With tokens, the credential decides, and an X-Scope-OrgID that disagrees is refused. Without, the header decides
 * while tenancy is on, and nothing else while it is off.
 */
export function callerReader({ tenancyOn, tokens, checkHost }: CallerSettings) {
  const digests = tokens.map(({ token, tenant, role }) => ({ digest: digestOf(token), caller: { tenant, role } }));

  /** @throws {UnauthenticatedError} Without a known credential, where one is needed. */
  function authenticate(request: IncomingMessage): Caller | undefined {
    if (digests.length === 0) {
      checkHost?.(request);
      return undefined;
    }
    const token = tokenOf(request);
    if (token === undefined) {
      throw new UnauthenticatedError('cannot answer without a credential: send Authorization: Bearer TOKEN');
    }
    const digest = digestOf(token);
    const known = digests.find((candidate) => timingSafeEqual(candidate.digest, digest));
    if (known === undefined) throw new UnauthenticatedError('cannot answer: the credential is not known');
    return known.caller;
  }

  function callerOf(request: IncomingMessage): Caller {
    const known = authenticate(request);
    if (!tenancyOn) return known ?? { tenant: DEFAULT_TENANT, role: 'operator' };
    const header = request.headers['x-scope-orgid'];
    const named = typeof header === 'string' && header !== '' ? parseTenant(header) : undefined;
    if (known !== undefined) {
      if (named === undefined || named === known.tenant) return known;
      throw new ForbiddenError('cannot answer: X-Scope-OrgID names another tenant than the credential');
    }
    if (named === undefined) throw new UnauthenticatedError('cannot answer without a tenant: send X-Scope-OrgID');
    return { tenant: named, role: 'operator' };
  }

  return { authenticate, callerOf };
}

/** @throws {ForbiddenError} If the caller's role does not include `needed`. */
export function requireRole(caller: Caller, needed: Role): Caller {
  if (allows(caller.role, needed)) return caller;
  throw new ForbiddenError(`cannot do this with the role ${caller.role}: it needs the role ${needed}`);
}

/** A bearer token, or the password of basic authentication: browsers ask for that. */
function tokenOf({ headers }: IncomingMessage): string | undefined {
  const [scheme, value] = (headers.authorization ?? '').split(/ +/, 2);
  if (value === undefined || value === '') return undefined;
  if (scheme?.toLowerCase() === 'bearer') return value;
  if (scheme?.toLowerCase() !== 'basic') return undefined;
  const pair = Buffer.from(value, 'base64').toString('utf8');
  return pair.slice(pair.indexOf(':') + 1);
}

/** Digests have one length, so comparing them takes the same time whatever was sent. */
function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
