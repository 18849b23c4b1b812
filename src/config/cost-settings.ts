import type { z } from 'zod';
import type { CostSection } from './cost-schema.ts';

/** As loaded: lengths in milliseconds, paths absolute. */
export type CostSettings = z.infer<typeof CostSection>;

export function resolveCost(section: z.infer<typeof CostSection>, _folder: string): CostSettings {
  return section;
}
