import type { Label } from '../../model/labels.ts';
import type { OtlpAttributes, OtlpResource, OtlpScope } from '../../wire/otlp.ts';
import { labelNameOf, type TranslationStrategy } from '../../wire/otlp-names.ts';

/** How OpenTelemetry's names and attributes become series. The words are Prometheus's. */
export interface OtlpTranslation {
  readonly strategy: TranslationStrategy;
  /** Attributes of the resource that every series gets as labels. */
  readonly promoteResourceAttributes: readonly string[];
  /** Whether every series gets its scope's name, version and attributes as labels. */
  readonly promoteScopeMetadata: boolean;
  /** The label that names the tenant, where series do not keep it: no attribute of a resource becomes it. */
  readonly withoutLabel?: string | undefined;
}

/** What all series of a scope share, above the attributes of their points. */
export interface SharedLabels {
  /** Where a point has no such attribute. */
  readonly promoted: readonly Label[];
  /** In place of such an attribute. */
  readonly given: readonly Label[];
}

const SERVICE_NAMESPACE = 'service.namespace';
const SERVICE_NAME = 'service.name';
const SERVICE_INSTANCE = 'service.instance.id';
const IDENTIFYING = [SERVICE_NAMESPACE, SERVICE_NAME, SERVICE_INSTANCE];

export function sharedLabels(
  resource: OtlpResource,
  scope: OtlpScope | undefined,
  { strategy, promoteResourceAttributes, promoteScopeMetadata, withoutLabel }: OtlpTranslation,
): SharedLabels {
  const wanted = new Set(promoteResourceAttributes);
  const named = (key: string, value: string): Label[] => {
    const name = labelNameOf(key, strategy);
    return name === undefined || name === withoutLabel ? [] : [[name, value]];
  };
  const promoted = resource.attributes.flatMap(([key, value]) => (wanted.has(key) ? named(key, value) : []));
  const given: Label[] = [...targetLabels(resource)];
  if (promoteScopeMetadata && scope !== undefined && scope.name !== '') {
    given.push(
      ...scope.attributes.flatMap(([key, value]) => named(`otel_scope_${key}`, value)),
      ['otel_scope_name', scope.name],
      ['otel_scope_version', scope.version],
      ['otel_scope_schema_url', scope.schemaUrl],
    );
  }
  return { promoted, given };
}

/** `job` and `instance`. */
function targetLabels({ attributes }: OtlpResource): readonly Label[] {
  const valueFor = (name: string) => attributes.findLast(([key]) => key === name)?.[1];
  const service = valueFor(SERVICE_NAME);
  const namespace = valueFor(SERVICE_NAMESPACE);
  const instance = valueFor(SERVICE_INSTANCE);
  return [
    ...(service === undefined ? [] : [['job', namespace === undefined ? service : `${namespace}/${service}`] as const]),
    ...(instance === undefined ? [] : [['instance', instance] as const]),
  ];
}

/**
 * The labels of a point but its name. Attributes whose names become one are joined by `;`, in the order of their keys.
 * @returns The key that is no label name, where there is one.
 */
export function pointLabels(
  attributes: OtlpAttributes,
  { promoted, given }: SharedLabels,
  strategy: TranslationStrategy,
): ReadonlyMap<string, string> | { readonly badKey: string } {
  const labels = new Map<string, string>();
  const sorted = attributes.length < 2 ? attributes : attributes.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  for (const [key, value] of sorted) {
    if (key === '__name__') continue;
    const name = labelNameOf(key, strategy);
    if (name === undefined) return { badKey: key };
    const before = labels.get(name) ?? '';
    labels.set(name, before === '' ? value : `${before};${value}`);
  }
  for (const [name, value] of promoted) if ((labels.get(name) ?? '') === '') labels.set(name, value);
  for (const [name, value] of given) labels.set(name, value);
  return labels;
}

/** The labels of `target_info`, or undefined where a resource has none: nothing to tell, or nobody to tell it of. */
export function targetInfoLabels(
  resource: OtlpResource,
  { strategy, withoutLabel }: Pick<OtlpTranslation, 'strategy' | 'withoutLabel'>,
): ReadonlyMap<string, string> | { readonly badKey: string } | undefined {
  const telling = resource.attributes.filter(([key]) => {
    return !IDENTIFYING.includes(key) && (withoutLabel === undefined || labelNameOf(key, strategy) !== withoutLabel);
  });
  if (telling.length === 0) return undefined;
  const labels = pointLabels(telling, { promoted: [], given: targetLabels(resource) }, strategy);
  if ('badKey' in labels) return labels;
  return (labels.get('job') ?? '') !== '' || (labels.get('instance') ?? '') !== '' ? labels : undefined;
}
