import { X509Certificate } from 'node:crypto';

/** Whose certificates are believed, and what for: what the API server publishes for servers that it aggregates. */
export interface Trust {
  /** Authorities of clients that come directly. */
  readonly clients: readonly X509Certificate[];
  /** Whose authorities sign the API server's own requests, and how those name the user they are made for. */
  readonly frontProxy: FrontProxyTrust | undefined;
  /** Changes with the content: what was concluded from another one no longer counts. */
  readonly version: string;
}

export interface FrontProxyTrust {
  readonly authorities: readonly X509Certificate[];
  /** Common names of the proxy's certificate. None: any. */
  readonly allowedNames: readonly string[];
  /** Lower case. */
  readonly userHeaders: readonly string[];
  readonly uidHeaders: readonly string[];
  readonly groupHeaders: readonly string[];
  readonly extraPrefixes: readonly string[];
}

/** Where the API server publishes it. */
export const TRUST_PATH = '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication';

/**
 * Reads the ConfigMap `kube-system/extension-apiserver-authentication`. A part that is missing is a way in that is closed.
 *
 * @throws {Error} If a part is there and cannot be read: better to go on with what was read before.
 */
export function parseTrust(configMap: unknown): Trust {
  const { data = {} } = configMap as { data?: Readonly<Record<string, string>> };
  const names = (key: string): readonly string[] => {
    const parsed: unknown = JSON.parse(data[`requestheader-${key}`] || '[]');
    if (Array.isArray(parsed) && parsed.every((name) => typeof name === 'string')) return parsed;
    throw new TypeError(`requestheader-${key}: expected a list of names, got ${data[`requestheader-${key}`]}`);
  };
  const headers = (key: string) => names(key).map((name) => name.toLowerCase());
  const authorities = certificatesIn(data['requestheader-client-ca-file'] ?? '');
  const userHeaders = headers('username-headers');
  const frontProxy: FrontProxyTrust = {
    authorities,
    allowedNames: names('allowed-names'),
    userHeaders,
    uidHeaders: headers('uid-headers'),
    groupHeaders: headers('group-headers'),
    extraPrefixes: headers('extra-headers-prefix'),
  };
  return {
    clients: certificatesIn(data['client-ca-file'] ?? ''),
    frontProxy: authorities.length > 0 && userHeaders.length > 0 ? frontProxy : undefined,
    version: JSON.stringify(data),
  };
}

/** All certificates of a PEM bundle, in its order. @throws {Error} If one of them is none. */
export function certificatesIn(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}
