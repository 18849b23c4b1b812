import type { X509Certificate } from 'node:crypto';
import type { Millis } from '../model/time.ts';

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const ANY_USAGE = '2.5.29.37.0';
/** Certificates between a client's and its authority's. */
const LONGEST_CHAIN = 5;

/**
 * Whether one of the authorities issued a client's certificate, by way of the others that it sent, if need be. TLS itself
 * cannot tell: it knows one set of authorities, and here it matters which of two issued what.
 *
 * @param chain The client's certificate first. As in Go, one that names no usages may be used for any.
 */
export function issuedBy(
  chain: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
  now: Millis,
): boolean {
  const [own] = chain;
  if (own === undefined || own.ca || !inForce(own, now)) return false;
  const usages = own.keyUsage as readonly string[] | undefined;
  if (usages !== undefined && !usages.includes(CLIENT_AUTH) && !usages.includes(ANY_USAGE)) return false;
  let current = own;
  for (let depth = 0; depth < LONGEST_CHAIN; depth++) {
    if (authorities.some((authority) => inForce(authority, now) && signs(authority, current))) return true;
    const next = chain.find(
      (candidate) => candidate !== current && inForce(candidate, now) && signs(candidate, current),
    );
    if (next === undefined) return false;
    current = next;
  }
  return false;
}

function signs(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function inForce({ validFrom, validTo }: X509Certificate, now: Millis): boolean {
  return Date.parse(validFrom) <= now && now <= Date.parse(validTo);
}

/** All values of an attribute of the subject: `CN` is the user's name, and each `O` one of its groups. */
export function subjectOf({ subject }: X509Certificate, attribute: 'CN' | 'O'): readonly string[] {
  // One attribute a line; + joins those of one set. A \ escapes what would be taken for a separator.
  const parts = (subject ?? '').split(/\n|(?<!\\)\+(?=[A-Za-z.0-9]+=)/);
  const start = `${attribute}=`;
  return parts.filter((part) => part.startsWith(start)).map((part) => part.slice(start.length).replace(/\\(.)/g, '$1'));
}
