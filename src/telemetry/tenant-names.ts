/** Tenants with a name of their own in metrics. Ten or so series of each keep /metrics below a megabyte. */
const MOST_TENANTS = 500;

/** The value of the label `tenant`: of the first tenants their id, of those beyond `other`, so that /metrics is bounded. */
export function tenantNames(most = MOST_TENANTS): (tenant: string) => string {
  const named = new Set<string>();
  return (tenant) => {
    if (named.has(tenant)) return tenant;
    if (named.size >= most) return 'other';
    named.add(tenant);
    return tenant;
  };
}
