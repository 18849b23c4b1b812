import type { Label } from '../../model/labels.ts';
import type { TenantId } from '../../model/tenant.ts';

/** How an engine tells tenants apart. */
export type TenantBy =
  /** There is one tenant. */
  | { readonly kind: 'none' }
  /** Mimir, Thanos. */
  | { readonly kind: 'header'; readonly name: string }
  /** A cluster of VictoriaMetrics: `{tenant}` in both addresses. */
  | { readonly kind: 'path' }
  /** A single node: every written series carries it, and every selector asks for it. */
  | { readonly kind: 'label'; readonly name: string };

/** Where one tenant's samples are. */
export interface TenantPlace {
  readonly writeUrl: string;
  /** Without `/api/v1/query` and the like, which are put behind it. */
  readonly queryUrl: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of every series, where tenants are told apart by it. */
  readonly label: Label | undefined;
}

export function placeOf(tenant: TenantId, by: TenantBy, write: string, query: string): TenantPlace {
  const fill = (url: string) => (by.kind === 'path' ? url.replaceAll('{tenant}', encodeURIComponent(tenant)) : url);
  return {
    writeUrl: fill(write),
    queryUrl: fill(query).replace(/\/+$/, ''),
    headers: by.kind === 'header' ? { [by.name]: tenant } : {},
    label: by.kind === 'label' ? [by.name, tenant] : undefined,
  };
}
