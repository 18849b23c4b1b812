import type { TargetGroup } from '../../model/scrape-job.ts';

/**
 * Groups of targets as files and HTTP servers list them: `[{"targets": ["a:80"], "labels": {"zone": "b"}}]`.
 * @throws {RangeError} If it is something else; says what was expected.
 */
export function parseGroups(
  document: unknown,
  sourceOf: (index: number) => string,
  more: Readonly<Record<string, string>>,
): readonly TargetGroup[] {
  if (document === null || document === undefined) return [];
  if (!Array.isArray(document)) throw new RangeError('expected a list of groups of targets');
  return document.map((group: unknown, i) => {
    if (!isRecord(group)) throw new RangeError(`[${i}]: expected targets and labels`);
    const { targets = [], labels = {}, ...rest } = group;
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) throw new RangeError(`[${i}].${unknown}: unknown key (expected targets or labels)`);
    if (!Array.isArray(targets) || !targets.every((target) => typeof target === 'string')) {
      throw new RangeError(`[${i}].targets: expected a list of addresses`);
    }
    if (!isRecord(labels)) throw new RangeError(`[${i}].labels: expected labels`);
    const texts = Object.entries(labels).map(([name, value]) => {
      if (value !== null && typeof value !== 'object') return [name, String(value)] as const;
      throw new RangeError(`[${i}].labels.${name}: expected a text`);
    });
    return {
      source: sourceOf(i),
      targets: targets.map((address) => ({ __address__: address })),
      labels: { ...Object.fromEntries(texts), ...more },
    };
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
