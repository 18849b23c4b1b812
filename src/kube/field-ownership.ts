import type { Ownership } from '../scaling/cluster.ts';

/** The manager under which Foresail writes. */
export const FIELD_MANAGER = 'foresail';

/** One entry of `metadata.managedFields`: the set of fields that a manager owns, as nested keys (`f:spec`). */
export interface ManagedFields {
  readonly manager?: string;
  readonly operation?: string;
  readonly subresource?: string;
  readonly fieldsV1?: FieldSet;
}

export interface FieldSet {
  readonly [key: string]: FieldSet;
}

/** Who owns a bound now. More than one manager may, while they agree on the value. */
export function managersOf(managed: readonly ManagedFields[], field: string): readonly string[] {
  return [...new Set(managed.filter((entry) => owns(entry, field)).map(({ manager }) => manager ?? 'unknown'))];
}

/**
 * The managed fields of an object that Foresail lets go of.
 *
 * Leaving a field out of a later apply removes the value, or sets the default, where nobody else owns the field; an
 * update under another name would own it as `Update`, and conflict with that manager's own next apply. So the entries
 * themselves are edited, which the API server allows: ours go, and the bounds that they held go back into the entry of
 * the manager that held them before. Where that manager has no entry any more the value stays and nobody owns it.
 */
export function handBack(
  managed: readonly ManagedFields[],
  { takenFrom }: Pick<Ownership, 'takenFrom'>,
  boundFields: readonly string[],
): readonly ManagedFields[] {
  const ours = managed.filter(isOurs);
  const others = managed.filter((entry) => !isOurs(entry));
  const fields = boundFields.filter(
    (field) => ours.some((entry) => owns(entry, field)) && managersOf(others, field).length === 0,
  );
  const heirs = new Set(
    takenFrom.map((name) =>
      others.findIndex(
        ({ manager, subresource }) => manager === name && (subresource === undefined || subresource === ''),
      ),
    ),
  );
  const left = others.map((entry, i) => (heirs.has(i) ? fields.reduce(withField, entry) : entry));
  // An empty list would leave the entries as they are; a list with one empty entry clears them.
  return left.length > 0 ? left : [{}];
}

function owns(entry: ManagedFields, field: string): boolean {
  return entry.fieldsV1?.['f:spec']?.[`f:${field}`] !== undefined;
}

function isOurs({ manager, subresource }: ManagedFields): boolean {
  return manager === FIELD_MANAGER && (subresource === undefined || subresource === '');
}

function withField(entry: ManagedFields, field: string): ManagedFields {
  return {
    ...entry,
    fieldsV1: { ...entry.fieldsV1, 'f:spec': { ...entry.fieldsV1?.['f:spec'], [`f:${field}`]: {} } },
  };
}
