import { z } from 'zod';
import { DAY, parseDuration } from '../model/time.ts';
import { CEL_DURATION, celRules } from './cel-rules.ts';

/** An objective as a policy or a file of objectives declares it. */

const LABEL = /^[a-zA-Z][a-zA-Z0-9_]*$/;
const TAKEN = ['slo', 'window', 'basis', 'alertname', 'severity'];

const labels = z
  .record(z.string().max(100), z.string().max(1024))
  .refine((all) => Object.keys(all).every((name) => LABEL.test(name) && !TAKEN.includes(name)), {
    error: `expected names of labels, and none of ${TAKEN.join(', ')}`,
  });

const alert = z.strictObject({
  enabled: z.boolean().default(true),
  severity: z.enum(['info', 'warning', 'critical']).optional(),
  labels: labels.default({}),
  annotations: z.record(z.string().max(100), z.string().max(4096)).default({}),
});

const LEAST_WINDOW_MS = DAY;
const MOST_WINDOW_MS = 90 * DAY;

const window = z
  .string()
  .max(64)
  .refine(
    (text) => {
      try {
        const ms = parseDuration(text);
        return ms >= LEAST_WINDOW_MS && ms <= MOST_WINDOW_MS;
      } catch {
        return false;
      }
    },
    { error: (issue) => `expected a duration of 1d to 90d, such as 30d, got ${JSON.stringify(issue.input)}` },
  )
  .register(celRules, { rules: [CEL_DURATION] });

const promql = z.string().min(1).max(8192);

const NEITHER = 'expected errors and total, or ratio alone';

export const Slo = z.strictObject({
  name: z
    .string()
    .max(100)
    .regex(/^[a-z0-9]([a-z0-9-]{0,98}[a-z0-9])?$/, 'expected lower case letters, digits and -, 100 at most')
    .describe('Its label `slo`.'),
  description: z.string().max(1024).optional(),
  objective: z.number().gt(0).lt(100).describe('Percent of what is counted that must be good, such as 99.9.'),
  window: window.default('30d').describe('Over how long, back from now: 1d to 90d.'),
  sli: z
    .strictObject({
      errors: promql.optional().describe('PromQL: what fails, per second, such as sum(rate(errors_total[5m])).'),
      total: promql.optional().describe('PromQL: all that is counted, per second, with the same labels.'),
      ratio: promql.optional().describe('In place of both, PromQL: the share that fails, 0 to 1.'),
    })
    .refine(
      ({ errors, total, ratio }) =>
        ratio === undefined ? errors !== undefined && total !== undefined : errors === undefined && total === undefined,
      { error: NEITHER },
    )
    .register(celRules, {
      rules: [
        {
          rule: 'has(self.ratio) ? !has(self.errors) && !has(self.total) : has(self.errors) && has(self.total)',
          message: NEITHER,
        },
      ],
    })
    .describe('What is measured.'),
  labels: labels.default({}).describe('Labels of all that is made of it.'),
  alerting: z
    .strictObject({
      page: alert.prefault({}).describe('For errors that use the budget up within days: critical.'),
      ticket: alert.prefault({}).describe('For those that use it up before the window ends: warning.'),
    })
    .prefault({}),
});

export type Slo = z.infer<typeof Slo>;

export const SloFile = z.strictObject({ slos: z.array(Slo).min(1).max(10_000) });

/** PromQL of an objective, and where it stands in it. */
export function sloExpressions({ sli }: Slo): readonly { readonly path: readonly string[]; readonly text: string }[] {
  return Object.entries(sli).flatMap(([key, text]) => (text === undefined ? [] : [{ path: ['sli', key], text }]));
}
