import type { z } from 'zod';
import type { AnomalySection } from './anomaly-schema.ts';

/** As loaded: lengths in milliseconds, paths absolute. */
export type AnomalySettings = z.infer<typeof AnomalySection>;

export function resolveAnomaly(section: z.infer<typeof AnomalySection>, _folder: string): AnomalySettings {
  return section;
}
