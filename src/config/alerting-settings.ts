import type { z } from 'zod';
import type { AlertingSection } from './alerting-schema.ts';

/** As loaded: lengths in milliseconds, paths absolute. */
export type AlertingSettings = z.infer<typeof AlertingSection>;

export function resolveAlerting(section: z.infer<typeof AlertingSection>, _folder: string): AlertingSettings {
  return section;
}
