import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Millis } from '../model/time.ts';
import { CertificateError } from './errors.ts';

/** What the server presents, and who vouches for it. */
export interface ServingCertificate {
  /** PEM, with those between it and its authority. */
  readonly cert: string;
  readonly key: string;
  /** PEM of its authority, for the APIService. Undefined where somebody else keeps that. */
  readonly authority: string | undefined;
  readonly expiresAt: Millis;
}

/** Reads, or makes, the certificate that is to be presented now. */
export type CertificateSource = (now: Millis) => Promise<ServingCertificate>;

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string | undefined;
}

/**
 * Certificates that somebody else renews in place, such as cert-manager in a mounted secret.
 * @throws {CertificateError} If they cannot be read, or do not belong together: perhaps until the other one is written.
 */
export function certificateFiles({ cert, key, ca }: CertificateFiles): CertificateSource {
  return async () => {
    const read = async (path: string) => {
      try {
        return await readFile(path, 'utf8');
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason';
        throw new CertificateError(`cannot read ${path}: ${code}`, { cause: error });
      }
    };
    const [certText, keyText, authority] = await Promise.all([
      read(cert),
      read(key),
      ca === undefined ? undefined : read(ca),
    ]);
    return checked({ cert: certText, key: keyText, authority }, `${cert} and ${key}`);
  };
}

/** @throws {CertificateError} If the key is not the certificate's, or one of them is none. */
export function checked(pair: Omit<ServingCertificate, 'expiresAt'>, what: string): ServingCertificate {
  let certificate: X509Certificate;
  let belongs: boolean;
  try {
    certificate = new X509Certificate(pair.cert);
    belongs = certificate.checkPrivateKey(createPrivateKey(pair.key));
  } catch (error) {
    throw new CertificateError(`cannot use ${what}: ${(error as Error).message}`, { cause: error });
  }
  if (!belongs) throw new CertificateError(`cannot use ${what}: the key is not that of the certificate`);
  return { ...pair, expiresAt: Date.parse(certificate.validTo) };
}
