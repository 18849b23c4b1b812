import { base64Of, Secret } from '../model/secret.ts';

/** Somebody who is told of alerts, in one way or several. */
export interface Receiver {
  readonly name: string;
  /** Whose alerts it may hear of. `all` where that was said so, and where there is one tenant. */
  readonly tenants: 'all' | readonly string[];
  readonly integrations: readonly Integration[];
}

/** One way to tell somebody, as the settings have it: secrets read, lengths in milliseconds, paths absolute. */
export type Integration =
  | WebhookIntegration
  | AlertmanagerIntegration
  | SlackIntegration
  | TeamsIntegration
  | PagerDutyIntegration
  | EmailIntegration;

interface Common {
  /** Names it among those of its receiver: `webhook[0]`. */
  readonly id: string;
  readonly sendResolved: boolean;
  /** For one attempt. */
  readonly timeoutMs: number;
  /** Messages of a minute at most: more wait. */
  readonly maxPerMinute: number;
}

/** How a server is spoken to. */
export interface HttpAccess {
  readonly bearerToken: Secret | undefined;
  readonly basicAuth: { readonly username: string; readonly password: Secret } | undefined;
  readonly tls: TlsAccess;
}

export interface TlsAccess {
  /** PEM. Undefined: the authorities that Node knows. */
  readonly ca: string | undefined;
  readonly serverName: string | undefined;
  readonly insecureSkipVerify: boolean;
}

export interface WebhookIntegration extends Common {
  readonly kind: 'webhook';
  readonly url: Secret;
  /** Bodies are signed with it. */
  readonly signingKey: Secret | undefined;
  readonly access: HttpAccess;
}

export interface AlertmanagerIntegration extends Common {
  readonly kind: 'alertmanager';
  /** What stands before `/api/v2/alerts`, of each instance. */
  readonly urls: readonly string[];
  readonly access: HttpAccess;
}

export interface SlackIntegration extends Common {
  readonly kind: 'slack';
  readonly apiUrl: Secret;
  readonly channel: string | undefined;
  readonly title: string | undefined;
  readonly text: string | undefined;
}

export interface TeamsIntegration extends Common {
  readonly kind: 'msteams';
  readonly webhookUrl: Secret;
  readonly title: string | undefined;
  readonly text: string | undefined;
}

export interface PagerDutyIntegration extends Common {
  readonly kind: 'pagerduty';
  readonly routingKey: Secret;
  readonly url: string;
  readonly description: string | undefined;
}

export interface EmailIntegration extends Common {
  readonly kind: 'email';
  readonly to: readonly string[];
  readonly from: string;
  readonly smarthost: { readonly host: string; readonly port: number };
  readonly hello: string | undefined;
  readonly authUsername: string | undefined;
  readonly authPassword: Secret | undefined;
  /** starttls: must be offered. tls: from the first byte. none: as it comes. */
  readonly security: 'starttls' | 'tls' | 'none';
  readonly tls: TlsAccess;
  readonly headers: Readonly<Record<string, string>>;
  readonly subject: string | undefined;
  readonly html: string | undefined;
  readonly text: string | undefined;
}

/** All that must not be seen of it. */
export function secretsOf(integration: Integration): readonly Secret[] {
  const access = 'access' in integration ? integration.access : undefined;
  const found: readonly (Secret | undefined)[] = [
    ...(integration.kind === 'webhook' ? [integration.url, integration.signingKey] : []),
    ...(integration.kind === 'slack' ? [integration.apiUrl] : []),
    ...(integration.kind === 'msteams' ? [integration.webhookUrl] : []),
    ...(integration.kind === 'pagerduty' ? [integration.routingKey] : []),
    ...(integration.kind === 'email' ? [integration.authPassword] : []),
    access?.bearerToken,
    access?.basicAuth?.password,
    // As they are sent.
    ...(access?.basicAuth === undefined ? [] : [pairOf(access.basicAuth.username, access.basicAuth.password, ':')]),
    ...(integration.kind === 'email' && integration.authUsername !== undefined && integration.authPassword !== undefined
      ? [pairOf(`\0${integration.authUsername}`, integration.authPassword, '\0')]
      : []),
  ];
  return found.filter((secret) => secret !== undefined);
}

/** Name and password in base64, as basic authentication and mail servers have them. */
function pairOf(username: string, password: Secret, between: string): Secret {
  return new Secret(base64Of(`${username}${between}${password.reveal()}`));
}

export function servesTenant({ tenants }: Pick<Receiver, 'tenants'>, tenant: string): boolean {
  return tenants === 'all' || tenants.includes(tenant);
}
