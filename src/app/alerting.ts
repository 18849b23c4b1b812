import { randomUUID } from 'node:crypto';
import type { Router } from 'express';
import { stringify } from 'yaml';
import type { Message, MessageAlert } from '../alerting/message.ts';
import { alertOfTenant, messageOfTenant } from '../alerting/of-tenant.ts';
import { type AlertmanagerIntegration, type Receiver, servesTenant } from '../alerting/receiver.ts';
import type { Route } from '../alerting/route.ts';
import { alertingRoutes, type TestOutcome } from '../http/routes/alerting.ts';
import { alertmanagerRoutes } from '../http/routes/alertmanager.ts';
import { openAlertDesk } from '../loops/alert-desk.ts';
import { openForwarding } from '../loops/alert-forwarding.ts';
import { openAlertShare } from '../loops/alert-share.ts';
import { reasonOf } from '../loops/telemetry.ts';
import { type TellAlerts, TOLD_FOR_MS } from '../model/alert.ts';
import { formatMatcher } from '../model/matcher.ts';
import type { TenantId } from '../model/tenant.ts';
import { formatDuration, type Millis, SECOND } from '../model/time.ts';
import { sendToInstance } from '../notify/alertmanager.ts';
import type { Outcome } from '../notify/outcome.ts';
import { openQueue, type QueueItem } from '../notify/queue.ts';
import { type MessageIntegration, sendMessage } from '../notify/send.ts';
import { openTestPace } from '../notify/test-pace.ts';
import type { TextDeps } from '../notify/text.ts';
import { encodeJson, readJson } from '../storage/json-value.ts';
import { takeTurns } from '../turns.ts';
import { VERSION } from '../version.ts';
import { callersOf } from './callers.ts';
import { tellerTarget } from './coordination.ts';
import { messageTemplates } from './message-templates.ts';
import type { Parts } from './parts.ts';

/** Work of alerts holds the thread for so long at most, at once: others hold it, too. */
const TURN_MS = 4;

export type Alerting = Awaited<ReturnType<typeof openAlerting>>;

/** Ties what becomes of alerts to the parts: state, silences, receivers. Nothing moves before `run`. */
export async function openAlerting(parts: Parts) {
  const { settings, clock, log, keyValue, metrics, startedAt } = parts;
  const { receivers, route, tenantRoutes, inhibitRules, flapping, ...bounds } = settings.alerting;
  const { externalUrl } = settings;
  const saysTenant = settings.tenancy.on;
  const pause = takeTurns(TURN_MS);
  const byName = new Map(receivers.map((receiver) => [receiver.name, receiver]));
  const routeOf = (tenant: string): Route | undefined => tenantRoutes.get(tenant) ?? route;
  const serves = (name: string, tenant: string): boolean => {
    const receiver = byName.get(name);
    return receiver !== undefined && servesTenant(receiver, tenant);
  };
  const text: TextDeps = {
    expand: messageTemplates(bounds.templates, externalUrl),
    ...{ externalUrl, saysTenant },
    onTemplateFault(message) {
      metrics.notificationTemplateFaults.inc();
      log.warn({ problem: message }, 'a text of a receiver cannot be expanded: the text that stands for it is sent');
    },
  };

  const { membership, shared } = parts.coordination;
  const share =
    membership &&
    shared &&
    openAlertShare({
      ...{ records: shared, clock, replica: await replicaOf(keyValue) },
      tenureOf: (tenant) => membership.tenureOf(tellerTarget(tenant)),
      msLeft: (tenant) => membership.msLeft(tellerTarget(tenant)),
      queue: {
        waitingOf: (tenant) => queue.waitingOf(tenant),
        forsake: async (tenant) => await queue.forsake(tenant),
      },
      on: {
        fault: shareFault,
        full(count) {
          metrics.loopFailures.inc({ loop: 'alert-share', reason: 'full' });
          log.error(
            { records: count },
            'there is no room for all alerts that replicas share: those are told again by the next one',
          );
        },
      },
    });

  const integrationOf = ({ receiver, integration }: Pick<QueueItem, 'receiver' | 'integration'>) =>
    byName.get(receiver)?.integrations.find(({ id }) => id === integration);
  const queue = await openQueue({
    ...{ keyValue, clock, random: Math.random, pause },
    ...{ retryForMs: bounds.retryForMs, length: bounds.queueLength, bytes: bounds.queueBytes },
    ...(share !== undefined && { maySend: share.tellsNow }),
    laneOf(item) {
      const integration = integrationOf(item);
      if (integration === undefined || integration.kind === 'alertmanager') return undefined;
      const send = ({ message, id, tenant, receiver }: QueueItem, signal: AbortSignal): Promise<Outcome> => {
        // The settings may have changed since it was written.
        const told = saysTenant ? messageOfTenant(message) : message;
        if (serves(receiver, tenant)) {
          return sendMessage(integration, { message: told, id, now: clock.now(), signal, text });
        }
        const why = 'the receiver serves the tenant no more';
        return Promise.resolve({ kind: 'failed', reason: 'no-receiver', message: why, retry: false });
      };
      return { maxPerMinute: integration.maxPerMinute, send };
    },
    on: {
      sent: ({ receiver, integration }) => metrics.notifications.inc({ receiver, integration }),
      failed({ receiver, integration, id, tenant }, { reason, message }, willRetry) {
        const names = { receiver, integration };
        metrics.notificationFailures.inc({ ...names, reason });
        if (willRetry) metrics.notificationRetries.inc(names);
        else metrics.notificationsDead.inc({ ...names, reason });
        const told = { ...names, reason, problem: message, id, tenant };
        if (willRetry) log.warn(told, 'a receiver did not take a message: it is sent again');
        else log.error(told, 'a message was given up: it is among the dead letters');
      },
      length: (receiver, integration, waiting) => metrics.notificationQueue.set({ receiver, integration }, waiting),
      bytes: (waiting) => metrics.notificationQueueBytes.set(waiting),
      dead: (count) => metrics.deadLetters.set(count),
      forgotten: (reason, letters) => metrics.deadLettersForgotten.inc({ reason }, letters),
      fault: storeFault,
    },
  });

  function storeFault(error: unknown): void {
    metrics.loopFailures.inc({ loop: 'alerting', reason: reasonOf(error) });
    log.error({ err: error }, 'what becomes of alerts cannot be written: it is tried again');
  }

  let saidOfShare = '';
  function shareFault(error: unknown): void {
    metrics.loopFailures.inc({ loop: 'alert-share', reason: reasonOf(error) });
    const { message } = error as Error;
    if (message === saidOfShare) return;
    saidOfShare = message;
    log.warn({ err: error }, 'what replicas share of alerts cannot be read or written: it is tried again');
  }

  function sendFault(error: unknown): void {
    metrics.loopFailures.inc({ loop: 'alerting', reason: reasonOf(error) });
    log.error({ err: error }, 'an Alertmanager cannot be told of alerts: it is tried again');
  }

  /** For each integration of the message's receiver what it is to be told. */
  function itemsOf(message: Message): readonly QueueItem[] {
    return (byName.get(message.receiver)?.integrations ?? []).flatMap((integration): QueueItem[] => {
      if (integration.kind === 'alertmanager') return [];
      const told = integration.sendResolved ? message : withoutResolved(message);
      if (told === undefined) return [];
      const { tenant, receiver, at: queuedAt } = message;
      // Fit for a header, and for a path.
      const id = `${message.id}-${integration.id.replace(/\W+/g, '')}`;
      return [{ id, tenant, receiver, integration: integration.id, message: told, queuedAt }];
    });
  }

  const desk = await openAlertDesk({
    ...{ keyValue, clock, pause },
    settings: { routeOf, serves, inhibitRules, flapping, alertsPerTenant: bounds.alertsPerTenant },
    enqueue: (messages) => queue.prepare(messages.flatMap(itemsOf)),
    // Replicas that share their targets each know of all alerts, and one of them tells those of a tenant.
    acts: (tenant) => membership === undefined || membership.msLeft(tellerTarget(tenant)) > 0,
    ...(share !== undefined && { share }),
    on: {
      refused: (reason) => metrics.alertsRefused.inc({ reason }),
      news() {
        for (const { news } of forwardings) news();
      },
      fault: storeFault,
      pass() {
        const { active, suppressed, resolved, flapping: flaps, silences } = desk.counts();
        for (const [state, count] of Object.entries({ active, suppressed, resolved })) {
          metrics.alertsHeld.set({ state }, count);
        }
        metrics.alertsFlapping.set(flaps);
        metrics.alertSilences.set(silences);
      },
    },
  });

  /** One for each instance: one that is down keeps no other waiting. */
  const forwardings = receivers.flatMap((receiver) =>
    receiver.integrations.flatMap((integration) =>
      integration.kind === 'alertmanager'
        ? integration.urls.map((url) => forwardingTo(url, integration, receiver))
        : [],
    ),
  );

  function forwardingTo(url: string, integration: AlertmanagerIntegration, receiver: Receiver) {
    const names = { receiver: receiver.name, integration: integration.id };
    let said = '';
    return openForwarding({
      ...{ clock, random: Math.random, fault: sendFault },
      async alerts() {
        const told: MessageAlert[] = [];
        for (const tenant of desk.tenants().filter((one) => servesTenant(receiver, one))) {
          const shown = (alert: MessageAlert) => (saysTenant ? alertOfTenant(alert, tenant) : alert);
          for (const alert of await desk.toldTo(tenant, receiver.name, shown)) told.push(alert);
        }
        return told;
      },
      async send(alerts, until, signal) {
        const outcome = await sendToInstance(url, integration, { alerts, until, now: clock.now(), signal });
        if (outcome.kind === 'sent') {
          metrics.notifications.inc(names);
          if (said !== '') log.info({ ...names, url }, 'the Alertmanager takes alerts again');
          said = '';
          return 'taken';
        }
        metrics.notificationFailures.inc({ ...names, reason: outcome.reason });
        if (outcome.retry) metrics.notificationRetries.inc(names);
        const told = { ...names, url, reason: outcome.reason, problem: outcome.message };
        if (said !== outcome.reason) log.warn(told, 'an Alertmanager did not take the alerts: it is told them again');
        said = outcome.reason;
        return outcome.retry ? 'retry' : 'refused';
      },
    });
  }

  const paceOfTests = openTestPace(clock.now);

  async function test(tenant: TenantId, name: string): Promise<readonly TestOutcome[]> {
    const receiver = byName.get(name)!;
    const now = clock.now();
    const made = testMessage(tenant, name, { now, externalUrl, id: randomUUID() });
    const message = saysTenant ? messageOfTenant(made) : made;
    return Promise.all(
      receiver.integrations.flatMap((integration): Promise<TestOutcome>[] => {
        const signal = AbortSignal.timeout(integration.timeoutMs * 2);
        if (integration.kind !== 'alertmanager') return [tested(integration, message, signal)];
        const sending = { alerts: message.alerts, until: now + TOLD_FOR_MS, now, signal };
        return integration.urls.map(async (url) => {
          return outcomeOf(`${integration.id} ${url}`, await sendToInstance(url, integration, sending));
        });
      }),
    );
  }

  async function tested(integration: MessageIntegration, message: Message, signal: AbortSignal): Promise<TestOutcome> {
    const sending = { message, id: message.id, now: clock.now(), signal, text };
    return outcomeOf(integration.id, await sendMessage(integration, sending));
  }

  const tell: TellAlerts = desk.tell;
  const post: TellAlerts = share?.post ?? tell;
  const { callerOf } = callersOf(settings);
  const { requestBytes, writeBytes } = settings.limits;
  return {
    /** Of what every replica finds by itself. */
    tell,
    /** Of what one replica alone knows: it reaches the one that tells. */
    post,
    routes: [
      (router: Router) =>
        alertmanagerRoutes(router, {
          ...{ callerOf, now: clock.now, requestBytes: Math.max(requestBytes, Math.min(writeBytes, 8 * 1024 * 1024)) },
          ...{ version: VERSION, startedAt, newId: randomUUID, tell: post, pause },
          ...{ viewsOf: desk.viewsOf, silences: desk.silences, silence: desk.silence, putSilences: desk.putSilences },
          receivers: (tenant) => receivers.filter((each) => servesTenant(each, tenant)).map(({ name }) => name),
          configText: (tenant) => configText(routeOf(tenant), (name) => serves(name, tenant)),
        }),
      (router: Router) =>
        alertingRoutes(router, {
          ...{ callerOf, requestBytes, test, hasReceiver: (tenant, name) => serves(name, tenant) },
          admitTest: (tenant, name) => paceOfTests(`${tenant}\n${name}`),
          ...{ deadLetters: queue.deadLetters, retry: queue.retry, drop: queue.drop },
        }),
    ] as readonly ((router: Router) => void)[],
    async run(signal: AbortSignal): Promise<void> {
      const sending = [desk.run(signal), queue.run(signal), ...forwardings.map((one) => one.run(signal))];
      await Promise.all([...sending, share?.run(desk, signal)]);
    },
  };
}

/** Names this data folder, over restarts. */
async function replicaOf(keyValue: Parts['keyValue']): Promise<string> {
  const key = 'replica';
  const known = await readJson<string>(keyValue, key);
  if (known !== undefined) return known;
  const made = randomUUID();
  await keyValue.write([{ key, value: encodeJson(made) }]);
  return made;
}

function withoutResolved(message: Message): Message | undefined {
  const alerts = message.alerts.filter(({ status }) => status === 'firing');
  return alerts.length === 0 ? undefined : { ...message, alerts };
}

function outcomeOf(integration: string, outcome: Outcome): TestOutcome {
  if (outcome.kind === 'sent') return { integration, kind: 'sent' };
  const { reason, message } = outcome;
  return { integration, kind: 'failed', reason, message };
}

/** What a test tells: an alert that ends by itself, and is like others in all but its words. */
function testMessage(
  tenant: TenantId,
  receiver: string,
  { now, externalUrl, id }: { readonly now: Millis; readonly externalUrl: string; readonly id: string },
): Message {
  const labels = { alertname: 'ForesailTest', severity: 'info', receiver };
  const annotations = {
    summary: `A test of the receiver ${receiver}`,
    description: 'Somebody asked Foresail whether this receiver hears of alerts. It does.',
    remedy: 'Nothing is to be done.',
  };
  const alert: MessageAlert = {
    ...{ status: 'firing', labels, annotations, startsAt: now, endsAt: now + 10 * SECOND },
    generatorUrl: externalUrl,
    fingerprint: id.replaceAll('-', '').slice(0, 16),
  };
  return {
    ...{ id: `test-${id}`, tenant, receiver, groupKey: `test:${id}`, status: 'firing', at: now },
    ...{ groupLabels: { alertname: 'ForesailTest' }, commonLabels: labels, commonAnnotations: annotations },
    ...{ alerts: [alert], truncatedAlerts: 0 },
  };
}

/** As Alertmanager's configuration has it, for amtool's `config routes`. */
function configText(root: Route | undefined, serves: (receiver: string) => boolean): string {
  const names = new Set<string>(['none']);
  const routeText = ({ receiver, matchers, groupBy, routes, ...rest }: Route): object => {
    const shown = serves(receiver) ? receiver : 'none';
    names.add(shown);
    return {
      receiver: shown,
      ...(groupBy === 'all' ? { group_by: ['...'] } : groupBy.length > 0 && { group_by: groupBy }),
      ...(matchers.length > 0 && { matchers: matchers.map(formatMatcher) }),
      ...(rest.continue && { continue: true }),
      group_wait: formatDuration(rest.groupWaitMs),
      group_interval: formatDuration(rest.groupIntervalMs),
      repeat_interval: formatDuration(rest.repeatIntervalMs),
      ...(routes.length > 0 && { routes: routes.map(routeText) }),
    };
  };
  const route = root === undefined ? { receiver: 'none' } : routeText(root);
  const document = { route, receivers: [...names].map((name) => ({ name })) };
  return stringify(document, { aliasDuplicateObjects: false });
}
