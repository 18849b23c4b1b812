import { z } from 'zod';
import { parseMatchers } from '../alerting/matchers.ts';
import { parseDuration } from '../model/time.ts';

/** Who is told of alerts. Names and meanings are Alertmanager's where there is one, in the spelling of the other settings. */

const duration = z.string().refine((text) => isDuration(text), {
  error: (issue) => `expected a duration such as 30s, 5m or 4h, got ${JSON.stringify(issue.input)}`,
});

/** Secrets never stand in the settings themselves. */
const secret = z
  .strictObject({
    file: z.string().min(1).optional().describe('A file whose content it is.'),
    env: z.string().min(1).optional().describe('An environment variable whose content it is.'),
  })
  .refine((s) => (s.file === undefined) !== (s.env === undefined), { error: 'expected exactly one of file and env' });
export type SecretSource = z.infer<typeof secret>;

const matcher = z.string().refine((text) => matcherFault(text) === undefined, {
  error: (issue) => matcherFault(String(issue.input)) ?? 'expected a matcher',
});
const matchers = z.array(matcher).max(100).default([]);
const labelName = z.string().min(1);
const template = z.string().max(20_000);
const name = z.string().min(1).max(200);
const header = z.record(z.string().regex(/^[\w-]+$/, { error: 'expected the name of a header' }), z.string());

const url = z
  .url({ protocol: /^https?$/, error: 'expected an address such as https://alerts.example/hook' })
  .refine((text) => !hasUser(text), { error: 'expected no user in the address: use basicAuth' });

const tlsConfig = z
  .strictObject({
    caFile: z.string().min(1).optional(),
    serverName: z.string().min(1).optional(),
    insecureSkipVerify: z.boolean().default(false),
  })
  .prefault({});

const httpAccess = {
  bearerToken: secret.optional(),
  basicAuth: z.strictObject({ username: z.string().min(1), password: secret }).optional(),
  tlsConfig,
};

const common = {
  sendResolved: z.boolean().default(true),
  timeout: duration.default('10s'),
  maxPerMinute: z.int().min(1).max(100_000).default(60),
};

const webhook = z.strictObject({
  url: z.union([url, secret]),
  signingKey: secret.optional(),
  ...httpAccess,
  ...common,
});

const alertmanager = z.strictObject({
  urls: z.array(url).min(1).max(20),
  ...httpAccess,
  timeout: common.timeout,
});

const slack = z.strictObject({
  apiUrl: secret,
  channel: z.string().min(1).optional(),
  title: template.optional(),
  text: template.optional(),
  ...common,
});

const msteams = z.strictObject({
  webhookUrl: secret,
  title: template.optional(),
  text: template.optional(),
  ...common,
});

const pagerduty = z.strictObject({
  routingKey: secret,
  url: url.default('https://events.pagerduty.com/v2/enqueue'),
  description: template.optional(),
  ...common,
});

const HOST_AND_PORT = /^(\[[0-9a-fA-F:.]+\]|[^\s:[\]]+):(\d{1,5})$/;
const address = z.string().regex(/@/, { error: 'expected an address such as ops@example.com' });

const email = z
  .strictObject({
    to: z.array(address).min(1).max(100),
    from: address,
    smarthost: z.string().regex(HOST_AND_PORT, { error: 'expected HOST:PORT such as smtp.example.com:587' }),
    hello: z.string().min(1).optional(),
    authUsername: z.string().min(1).optional(),
    authPassword: secret.optional(),
    security: z.enum(['starttls', 'tls', 'none']).default('starttls'),
    tlsConfig,
    headers: header.default({}),
    subject: template.optional(),
    html: template.optional(),
    text: template.optional(),
    ...common,
  })
  .refine((e) => (e.authUsername === undefined) === (e.authPassword === undefined), {
    error: 'expected authUsername and authPassword together',
  });

const several = <T extends z.ZodType>(one: T) => z.array(one).max(20).default([]);

const receiver = z.strictObject({
  name,
  tenants: z.union([z.literal('all'), z.array(z.string().min(1)).min(1)]).optional(),
  alertmanagerConfigs: several(alertmanager),
  webhookConfigs: several(webhook),
  emailConfigs: several(email),
  slackConfigs: several(slack),
  msteamsConfigs: several(msteams),
  pagerdutyConfigs: several(pagerduty),
});
export type ReceiverDocument = z.infer<typeof receiver>;

/** Lengths that are left out are those of the route above; at the top, Alertmanager's. */
export interface RouteDocument {
  readonly receiver?: string | undefined;
  readonly matchers: readonly string[];
  readonly continue: boolean;
  readonly groupBy?: readonly string[] | undefined;
  readonly groupWait?: string | undefined;
  readonly groupInterval?: string | undefined;
  readonly repeatInterval?: string | undefined;
  readonly routes: readonly RouteDocument[];
}

const routeFields = {
  receiver: name.optional(),
  matchers,
  continue: z.boolean().default(false),
  groupBy: z.array(labelName).optional(),
  groupWait: z.union([z.literal('0s'), duration]).optional(),
  groupInterval: duration.optional(),
  repeatInterval: duration.optional(),
};

/** As deep as anybody writes; a schema that names itself would not be told as JSON Schema. */
const route4 = z.strictObject({ ...routeFields, routes: z.array(z.never()).default([]) });
const route3 = z.strictObject({ ...routeFields, routes: z.array(route4).default([]) });
const route2 = z.strictObject({ ...routeFields, routes: z.array(route3).default([]) });
const route1 = z.strictObject({ ...routeFields, routes: z.array(route2).default([]) });
const route = z.strictObject({ ...routeFields, routes: z.array(route1).default([]) });

export const AlertingSection = z.strictObject({
  receivers: z
    .array(receiver)
    .max(1000)
    .default([])
    .describe(
      'Who is told, and how: alertmanagerConfigs, webhookConfigs, emailConfigs, slackConfigs, msteamsConfigs, pagerdutyConfigs. None: alerts are shown, and sent nowhere. docs/how-to/alert-receivers.md.',
    ),
  route: route
    .optional()
    .describe(
      "Which receiver is told of which alerts: a tree, as Alertmanager's. Lengths left out are 30s (groupWait), 5m (groupInterval) and 4h (repeatInterval).",
    )
    .meta({ examples: [{ receiver: 'team', groupBy: ['alertname', 'namespace'] }] }),
  tenants: z
    .record(z.string(), z.strictObject({ route }))
    .default({})
    .describe('A tree of its own for a tenant, such as {acme: {route: {receiver: acme-pager}}}, in place of route.'),
  inhibitRules: z
    .array(
      z.strictObject({ sourceMatchers: matchers, targetMatchers: matchers, equal: z.array(labelName).default([]) }),
    )
    .max(1000)
    .default([])
    .describe('While an alert fires that matches sourceMatchers, those of targetMatchers are not told.'),
  templates: z
    .array(z.string().min(1))
    .max(100)
    .default([])
    .describe(
      "Files with {{ define }} of Go's templates, relative to this file, for the texts of receivers. docs/reference/alerts.md.",
    ),
  flapping: z
    .strictObject({
      starts: z
        .union([z.literal('off'), z.int().min(1).max(100)])
        .default(4)
        .describe('How often it may begin within the window. off: nothing flaps.'),
      within: duration.default('1h').describe('The window.'),
      settle: duration.default('15m').describe('How long it must keep still before it has ended.'),
    })
    .prefault({})
    .describe('An alert that begins more often is told once, as one that comes and goes.'),
  retryFor: duration
    .default('6h')
    .describe('How long a message is tried again that a receiver does not take; then it is among the dead letters.'),
  queueLength: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe(
      'Messages of one tenant that wait for one integration of a receiver at most; beyond, the oldest become dead letters.',
    ),
  queueBytes: z
    .int()
    .min(1024 * 1024)
    .default(32 * 1024 * 1024)
    .describe(
      'Bytes of the messages of one tenant that wait for all receivers at most; beyond, the oldest become dead letters, of which as much is kept.',
    ),
  alertsPerTenant: z.int().min(1).max(1_000_000).default(10_000).describe('Alerts of any one tenant at one time.'),
});
export type AlertingDocument = z.infer<typeof AlertingSection>;

function isDuration(text: string): boolean {
  try {
    return parseDuration(text) > 0;
  } catch {
    return false;
  }
}

function matcherFault(text: string): string | undefined {
  try {
    return parseMatchers(text).length === 0 ? 'expected a matcher such as severity="critical"' : undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function hasUser(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { username, password } = new URL(text);
  return username !== '' || password !== '';
}
