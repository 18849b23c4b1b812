import { z } from 'zod';
import { parseDuration } from '../model/time.ts';

const duration = z.string().refine(
  (text) => {
    try {
      return parseDuration(text) >= 0;
    } catch {
      return false;
    }
  },
  { error: (issue) => `expected a duration such as 15s, 1m or 1m30s, got ${JSON.stringify(issue.input)}` },
);

const length = duration.refine((text) => parseDuration(text) >= 1000, {
  error: (issue) => `expected 1s or longer, got ${JSON.stringify(issue.input)}`,
});

const path = z.string().min(1);

/** Files of the tenant `default`, or of a tenant that is named. */
const files = z.array(z.union([path, z.strictObject({ tenant: z.string().min(1), files: z.array(path).min(1) })]));

export type FilesOfTenants = z.infer<typeof files>;

export const RulesSection = z.strictObject({
  files: files
    .default([])
    .describe(
      "Files of rule groups in Prometheus's format, relative to this file, with * and ? in their names; or {tenant, files} where tenancy.mode is on. Read again when they change.",
    )
    .meta({ examples: [['rules/*.yaml']] }),
  evaluationInterval: length.default('1m').describe('Time between two evaluations of a group that names none.'),
  queryOffset: duration
    .default('0s')
    .describe('How long before its time a rule looks, where its group does not say: for samples that come late.'),
  forOutageTolerance: duration
    .default('1h')
    .describe('Alerts that were active are taken up again after an outage of so long at most.'),
  forGracePeriod: duration
    .default('10m')
    .describe('A restored alert waits for so long at least before it fires; rules with a shorter `for` begin anew.'),
  slos: files
    .default([])
    .describe('Files of objectives (SLOs), as `files`: rules are made of them. docs/how-to/slos.md has an example.')
    .meta({ examples: [['slos/*.yaml']] }),
});
