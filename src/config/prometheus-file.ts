/** A part of a configuration of Prometheus that is not used here. */
export interface PassedOver {
  readonly path: readonly (string | number)[];
  readonly why: string;
}

export interface SupportedPart {
  readonly value: unknown;
  readonly passedOver: readonly PassedOver[];
  /** Where a part of `value` stood before others were taken out. */
  pathBefore(path: readonly (string | number)[]): readonly (string | number)[];
}

/** Beside `global` and `scrape_configs`. */
const NOT_SCRAPING = new Set([
  'alerting',
  'otlp',
  'remote_read',
  'remote_write',
  'rule_files',
  'runtime',
  'scrape_config_files',
  'storage',
  'tracing',
]);
/** Of `global`: for rules, alerts and remote write. */
const NOT_GLOBAL = new Set([
  'evaluation_interval',
  'rule_query_offset',
  'external_labels',
  'query_log_file',
  'scrape_failure_log_file',
  'runtime',
]);
/** Keys of Prometheus 3.15 for what Foresail does not do, wherever they stand. */
const NOT_HERE = new Set([
  'proxy_url',
  'no_proxy',
  'proxy_from_environment',
  'proxy_connect_header',
  'oauth2',
  'scrape_failure_log_file',
  'scrape_native_histograms',
  'scrape_classic_histograms',
  'always_scrape_classic_histograms',
  'convert_classic_histograms_to_nhcb',
  'native_histogram_bucket_limit',
  'native_histogram_min_bucket_factor',
  'metric_name_validation_scheme',
  'metric_name_escaping_scheme',
  'extra_scrape_metrics',
  'api_server',
]);
const DISCOVERIES = new Set(['static_configs', 'file_sd_configs', 'http_sd_configs', 'kubernetes_sd_configs']);
const ROLES_NOT_HERE = new Set(['endpoints', 'ingress']);
/** What stands below is the user's, whatever it is called. */
const FREE = new Set(['labels', 'params', 'http_headers']);

/** Takes out of a configuration of Prometheus what is not used here. Keys without a value are taken out in silence. */
export function withoutUnsupported(document: unknown): SupportedPart {
  const passedOver: PassedOver[] = [];
  /** By the path of a list: the indexes that its entries had. */
  const indexes = new Map<string, readonly number[]>();

  const clean = (value: unknown, path: readonly (string | number)[]): unknown => {
    if (Array.isArray(value)) {
      const kept = value
        .map((entry, i) => ({ entry, i }))
        .filter(({ entry, i }) => {
          const role = roleNotHere(path, entry);
          if (role !== undefined) passedOver.push({ path: [...path, i], why: `the role ${role} is not discovered` });
          return role === undefined;
        });
      if (kept.length < value.length)
        indexes.set(
          path.join('.'),
          kept.map(({ i }) => i),
        );
      return kept.map(({ entry, i }) => clean(entry, [...path, i]));
    }
    if (typeof value !== 'object' || value === null) return value;
    const kept: Record<string, unknown> = {};
    for (const [key, entry] of Object.entries(value)) {
      const here = [...path, key];
      if (entry === null) continue;
      if (isPassedOver(key, path)) passedOver.push({ path: here, why: `${key} is passed over` });
      else kept[key] = FREE.has(key) ? entry : clean(entry, here);
    }
    return kept;
  };

  const value = clean(document, []);
  return {
    value,
    passedOver,
    pathBefore(path) {
      const before: (string | number)[] = [];
      for (const part of path) {
        const kept = typeof part === 'number' ? indexes.get(before.join('.')) : undefined;
        before.push(kept === undefined ? part : (kept[part as number] ?? part));
      }
      return before;
    },
  };
}

function isPassedOver(key: string, path: readonly (string | number)[]): boolean {
  if (path.length === 0) return NOT_SCRAPING.has(key);
  if (path.length === 1 && path[0] === 'global' && NOT_GLOBAL.has(key)) return true;
  return NOT_HERE.has(key) || (key.endsWith('_sd_configs') && !DISCOVERIES.has(key));
}

function roleNotHere(path: readonly (string | number)[], entry: unknown): string | undefined {
  if (path.at(-1) !== 'kubernetes_sd_configs' || typeof entry !== 'object' || entry === null) return undefined;
  const { role } = entry as { readonly role?: unknown };
  return typeof role === 'string' && ROLES_NOT_HERE.has(role) ? role : undefined;
}
