import type { z } from 'zod';
import type { RulesSection } from './rules-schema.ts';

/** As loaded: lengths in milliseconds, paths absolute. */
export type RulesSettings = z.infer<typeof RulesSection>;

export function resolveRules(section: z.infer<typeof RulesSection>, _folder: string): RulesSettings {
  return section;
}
