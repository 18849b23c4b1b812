import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DAY, MINUTE, type Millis } from '../model/time.ts';
import { type CertificateSource, checked, type ServingCertificate } from './serving-certificate.ts';

export interface SelfMadeOptions {
  /** Made where it is missing. Only the program's own account may read the keys in it. */
  readonly folder: string;
  /** The names that the API server asks for: `foresail.foresail.svc`. */
  readonly dnsNames: readonly string[];
}

/** Our own authorities in a bundle are known by their names. */
export const AUTHORITY_PREFIX = 'foresail-external-metrics-';

const AUTHORITY_MS = 365 * DAY;
const SERVING_MS = 90 * DAY;
/** Renewed when less than a third of the time is left. */
const RENEWED_AT = 1 / 3;
/** For clocks that are not quite alike. */
const BACKDATED_MS = 10 * MINUTE;

interface Pair {
  readonly cert: string;
  readonly key: string;
}

/**
 * Certificates of an authority of our own, kept in a folder and renewed in time. What is missing, damaged, about to
 * expire or made for other names is made again; an authority is never used for anything else.
 */
export function selfMadeCertificates({ folder, dnsNames }: SelfMadeOptions): CertificateSource {
  return async (now) => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    let authority = await readPair(folder, 'ca', (cert) => cert.ca && lasts(cert, AUTHORITY_MS, now));
    if (authority === undefined) {
      authority = await makeAuthority(now);
      await writePair(folder, 'ca', authority);
    }
    const issuer = new X509Certificate(authority.cert);
    const serving =
      (await readPair(folder, 'tls', (cert) => {
        const ours = cert.checkIssued(issuer) && cert.verify(issuer.publicKey);
        return ours && lasts(cert, SERVING_MS, now) && dnsNames.every((name) => cert.checkHost(name) !== undefined);
      })) ?? (await makeServing(authority, dnsNames, now));
    await writePair(folder, 'tls', serving);
    return checked(
      { ...serving, authority: authority.cert },
      `the certificate in ${folder}`,
    ) satisfies ServingCertificate;
  };
}

function lasts({ validFrom, validTo }: X509Certificate, lengthMs: number, now: Millis): boolean {
  return Date.parse(validFrom) <= now && Date.parse(validTo) - now > lengthMs * RENEWED_AT;
}

async function readPair(
  folder: string,
  name: 'ca' | 'tls',
  fits: (certificate: X509Certificate) => boolean,
): Promise<Pair | undefined> {
  try {
    const [cert, key] = await Promise.all([
      readFile(join(folder, `${name}.crt`), 'utf8'),
      readFile(join(folder, `${name}.key`), 'utf8'),
    ]);
    const certificate = new X509Certificate(cert);
    return certificate.checkPrivateKey(createPrivateKey(key)) && fits(certificate) ? { cert, key } : undefined;
  } catch {
    // Missing or damaged: it is made again.
    return undefined;
  }
}

async function writePair(folder: string, name: 'ca' | 'tls', { cert, key }: Pair): Promise<void> {
  for (const [ending, text] of [
    ['key', key],
    ['crt', cert],
  ] as const) {
    const path = join(folder, `${name}.${ending}`);
    if ((await readFile(path, 'utf8').catch(() => '')) === text) continue;
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    await chmod(`${path}.new`, 0o600);
    await rename(`${path}.new`, path);
  }
}

async function makeAuthority(now: Millis): Promise<Pair> {
  const { generate } = await import('selfsigned');
  // A name of its own: two authorities with one name and different keys confuse whoever looks for the issuer.
  const made = await generate([{ name: 'commonName', value: `${AUTHORITY_PREFIX}${now}` }], {
    ...common(now, AUTHORITY_MS),
    extensions: [
      { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  return { cert: made.cert, key: made.private };
}

async function makeServing(authority: Pair, dnsNames: readonly string[], now: Millis): Promise<Pair> {
  const { generate } = await import('selfsigned');
  const made = await generate([{ name: 'commonName', value: dnsNames[0]!.slice(0, 64) }], {
    ...common(now, SERVING_MS),
    ca: authority,
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames: dnsNames.map((value) => ({ type: 2, value })) },
    ],
  });
  return { cert: made.cert, key: made.private };
}

function common(now: Millis, lengthMs: number) {
  return {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(now - BACKDATED_MS),
    notAfterDate: new Date(now + lengthMs),
  } as const;
}
