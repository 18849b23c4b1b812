import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Caller, Role } from '../model/caller.ts';
import { allows } from '../model/caller.ts';
import { DEFAULT_TENANT, parseTenant, type TenantId } from '../model/tenant.ts';
import { ForbiddenError, UnauthenticatedError } from './errors.ts';

export interface CallerSettings {
  readonly tenancyOn: boolean;
  /** None: nobody is asked who they are. */
  readonly tokens: readonly {
    readonly token: string;
    readonly tenant: TenantId;
    readonly role: Role;
    readonly name?: string;
    /** Whether it may send the series of every tenant. */
    readonly anyTenant?: boolean;
  }[];
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
  const digests = tokens.map(({ token, anyTenant = false, ...caller }) => ({
    digest: digestOf(token),
    caller,
    anyTenant,
  }));

  /** @throws {UnauthenticatedError} Without a known credential, where one is needed. */
  function known(request: IncomingMessage) {
    if (digests.length === 0) {
      checkHost?.(request);
      return undefined;
    }
    const token = tokenOf(request);
    if (token === undefined) {
      throw new UnauthenticatedError('cannot answer without a credential: send Authorization: Bearer TOKEN');
    }
    const digest = digestOf(token);
    const found = digests.find((candidate) => timingSafeEqual(candidate.digest, digest));
    if (found === undefined) throw new UnauthenticatedError('cannot answer: the credential is not known');
    return found;
  }

  const authenticate = (request: IncomingMessage): Caller | undefined => known(request)?.caller;

  function callerOf(request: IncomingMessage): Caller {
    const caller = authenticate(request);
    if (!tenancyOn) return caller ?? { tenant: DEFAULT_TENANT, role: 'operator' };
    const named = tenantNamed(request);
    if (caller !== undefined) {
      if (named === undefined || named === caller.tenant) return caller;
      throw new ForbiddenError('cannot answer: X-Scope-OrgID names another tenant than the credential');
    }
    if (named === undefined) throw new UnauthenticatedError('cannot answer without a tenant: send X-Scope-OrgID');
    return { tenant: named, role: 'operator' };
  }

  /**
   * Who sends series whose label names their tenant: a header, or a credential, is not needed for that. A credential of
   * one tenant reaches no other, whatever a label says, unless it may send the series of every tenant.
   */
  function senderOf(request: IncomingMessage) {
    const found = known(request);
    if (found === undefined) return { tenant: tenantNamed(request), role: 'operator', anyTenant: true } as const;
    if (!found.anyTenant) return { ...callerOf(request), anyTenant: false };
    return { ...found.caller, tenant: tenantNamed(request) ?? found.caller.tenant, anyTenant: true };
  }

  return { authenticate, callerOf, senderOf };
}

function tenantNamed({ headers }: IncomingMessage): TenantId | undefined {
  const header = headers['x-scope-orgid'];
  return typeof header === 'string' && header !== '' ? parseTenant(header) : undefined;
}

/** @throws {ForbiddenError} If the caller's role does not include `needed`. */
export function requireRole<C extends Pick<Caller, 'role'>>(caller: C, needed: Role): C {
  if (allows(caller.role, needed)) return caller;
  throw new ForbiddenError(`cannot do this with the role ${caller.role}: it needs the role ${needed}`);
}

/** A bearer token, or the password of basic authentication: browsers ask for that. */
function tokenOf({ headers }: IncomingMessage): string | undefined {
  const [scheme, value] = (headers.authorization ?? '').split(/ +/, 2);
  if (value === undefined || value === '') return undefined;
  // InfluxDB 2 calls a bearer's token `Token`.
  if (scheme?.toLowerCase() === 'bearer' || scheme?.toLowerCase() === 'token') return value;
  if (scheme?.toLowerCase() !== 'basic') return undefined;
  const pair = Buffer.from(value, 'base64').toString('utf8');
  return pair.slice(pair.indexOf(':') + 1);
}

/** Digests have one length, so comparing them takes the same time whatever was sent. */
function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
