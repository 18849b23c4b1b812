import { createHash, type X509Certificate } from 'node:crypto';
import { MINUTE, type Millis, SECOND } from '../model/time.ts';
import { openAnswerCache } from './answer-cache.ts';
import { issuedBy, subjectOf } from './certificate-check.ts';
import { ANONYMOUS, authenticated, type Identity } from './identity.ts';
import { type AskKubernetes, messageOf } from './kubernetes.ts';
import { type Answer, failure } from './status.ts';
import type { FrontProxyTrust, Trust } from './trust.ts';

/** What a request shows of who makes it. */
export interface Credentials {
  /** The client's certificate, and those that it sent with it; empty where there is none. */
  readonly chain: readonly X509Certificate[];
  /** By lower-case name, each with all its values. */
  readonly headers: Readonly<Record<string, readonly string[] | undefined>>;
}

export type Authentication =
  | { readonly kind: 'known'; readonly identity: Identity }
  | { readonly kind: 'refused'; readonly answer: Answer };

export interface AuthenticateDeps {
  readonly trust: () => Trust;
  readonly ask: AskKubernetes;
  readonly now: () => Millis;
}

/** As the API server's own library has it. */
const TOKEN_FRESH_MS = 10 * SECOND;
/** A connection's certificate may expire while it is open. */
const CHECKED_MS = MINUTE;

/**
 * Tells who asks as a server behind the aggregator must: by the API server's own certificate and the headers that it
 * alone may send, else by the client's certificate, else by its token. Who shows nothing is anonymous; who shows
 * something that nobody vouches for is refused. The headers count for nothing unless the certificate is the proxy's.
 */
export function openAuthentication({ trust, ask, now }: AuthenticateDeps) {
  const reviews = openAnswerCache<Identity | undefined>({ now, freshMs: TOKEN_FRESH_MS });
  const issued = rememberedCheck(now);
  const isFrontProxy = (chain: readonly X509Certificate[], { authorities, allowedNames }: FrontProxyTrust) =>
    issued(chain, authorities) &&
    (allowedNames.length === 0 || subjectOf(chain[0]!, 'CN').some((name) => allowedNames.includes(name)));

  async function review(token: string): Promise<Identity | undefined> {
    const answer = await ask({
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/tokenreviews',
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } },
    });
    if (answer.status !== 200 && answer.status !== 201) throw new Error(messageOf(answer));
    return identityOfReview(answer.body);
  }

  return async function authenticate({ chain, headers }: Credentials): Promise<Authentication> {
    const { clients, frontProxy } = trust();
    if (frontProxy !== undefined && isFrontProxy(chain, frontProxy)) {
      const identity = identityOfHeaders(headers, frontProxy);
      if (identity !== undefined) return { kind: 'known', identity: authenticated(identity) };
    }
    if (issued(chain, clients)) {
      const identity = identityOfCertificate(chain[0]!);
      if (identity !== undefined) return { kind: 'known', identity: authenticated(identity) };
    }
    const token = bearerOf(headers['authorization']);
    if (token !== undefined) {
      try {
        const key = createHash('sha256').update(token).digest('base64');
        const identity = await reviews.get(key, () => review(token));
        if (identity !== undefined) return { kind: 'known', identity: authenticated(identity) };
      } catch (error) {
        const message = `cannot ask the Kubernetes API whose token it is: ${(error as Error).message}`;
        return { kind: 'refused', answer: failure('ServiceUnavailable', message) };
      }
    }
    if (chain.length === 0 && token === undefined) return { kind: 'known', identity: ANONYMOUS };
    return { kind: 'refused', answer: failure('Unauthorized', 'Unauthorized') };
  };
}

/** Checks a chain once for each set of authorities and minute: a signature costs more than the rest of an answer. */
function rememberedCheck(now: () => Millis) {
  const checks = new WeakMap<
    readonly X509Certificate[],
    WeakMap<readonly X509Certificate[], { at: Millis; ok: boolean }>
  >();
  return (chain: readonly X509Certificate[], authorities: readonly X509Certificate[]): boolean => {
    if (chain.length === 0 || authorities.length === 0) return false;
    const ofChain = checks.get(chain) ?? new WeakMap<readonly X509Certificate[], { at: Millis; ok: boolean }>();
    checks.set(chain, ofChain);
    const known = ofChain.get(authorities);
    if (known !== undefined && Math.abs(now() - known.at) < CHECKED_MS) return known.ok;
    const ok = issuedBy(chain, authorities, now());
    ofChain.set(authorities, { at: now(), ok });
    return ok;
  };
}

function identityOfHeaders(headers: Credentials['headers'], trust: FrontProxyTrust): Identity | undefined {
  const first = (names: readonly string[]) =>
    names.map((name) => headers[name]?.[0]?.trim() ?? '').find((value) => value !== '');
  const user = first(trust.userHeaders);
  if (user === undefined) return undefined;
  const uid = first(trust.uidHeaders);
  const groups = trust.groupHeaders.flatMap((name) => headers[name] ?? []);
  const extra: Record<string, readonly string[]> = {};
  for (const [name, values] of Object.entries(headers)) {
    const prefix = trust.extraPrefixes.find((start) => name.startsWith(start));
    if (prefix === undefined || values === undefined) continue;
    const key = unescaped(name.slice(prefix.length)).toLowerCase();
    extra[key] = [...(extra[key] ?? []), ...values];
  }
  return { user, ...(uid !== undefined && { uid }), groups, extra };
}

/** Keys that are no percent-encoding stay as they are, as in the API server. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function identityOfCertificate(certificate: X509Certificate): Identity | undefined {
  const user = subjectOf(certificate, 'CN').at(-1) ?? '';
  return user === '' ? undefined : { user, groups: subjectOf(certificate, 'O'), extra: {} };
}

function bearerOf(values: readonly string[] | undefined): string | undefined {
  const found = /^bearer +(\S+) *$/i.exec(values?.[0] ?? '');
  return found?.[1];
}

function identityOfReview(body: unknown): Identity | undefined {
  const { status } = body as {
    status?: {
      authenticated?: boolean;
      user?: { username?: string; uid?: string; groups?: string[]; extra?: Record<string, string[]> };
    };
  };
  const { username = '', uid, groups = [], extra = {} } = status?.user ?? {};
  if (status?.authenticated !== true || username === '') return undefined;
  return { user: username, ...(uid !== undefined && { uid }), groups, extra };
}
