import type { IncomingMessage } from 'node:http';
import type { Request, Router } from 'express';
import { z } from 'zod';
import { compileMatchers, parseMatchers } from '../../alerting/matchers.ts';
import type { GroupPlace } from '../../alerting/route.ts';
import { SILENCE_KEPT_MS, type Silence, silenceFault, silenceState } from '../../alerting/silence.ts';
import type { AlertView } from '../../alerting/view.ts';
import type { Alert } from '../../model/alert.ts';
import type { Caller } from '../../model/caller.ts';
import { labelsOf } from '../../model/labels.ts';
import type { Matcher, MatcherOp } from '../../model/matcher.ts';
import type { TenantId } from '../../model/tenant.ts';
import { formatInstant, type Millis, parseInstant } from '../../model/time.ts';
import { requireRole } from '../caller.ts';
import { type Pause, sendPieces } from '../envelope.ts';
import { BadParameterError, NotFoundError } from '../errors.ts';
import { type Parameters, parametersInAddress } from '../parameters.ts';
import { readDocument } from '../read-document.ts';
import { mount } from '../route.ts';
import { textBody } from '../text-body.ts';

export interface AlertmanagerRouteDeps {
  readonly callerOf: (request: IncomingMessage) => Caller;
  readonly now: () => Millis;
  readonly requestBytes: number;
  readonly version: string;
  readonly startedAt: Millis;
  readonly newId: () => string;
  readonly tell: (tenant: TenantId, alerts: readonly Alert[]) => Promise<void>;
  /** All of the tenant's, in pieces. */
  readonly viewsOf: (tenant: TenantId) => AsyncIterable<readonly AlertView[]>;
  /** Between pieces of work: undefined, or a promise where others are to have the thread. */
  readonly pause: Pause;
  readonly silences: (tenant: TenantId) => readonly Silence[];
  readonly silence: (tenant: TenantId, id: string) => Silence | undefined;
  readonly putSilences: (tenant: TenantId, silences: readonly Silence[]) => Promise<void>;
  /** Names of those that may hear of the tenant's alerts. */
  readonly receivers: (tenant: TenantId) => readonly string[];
  /** The tree of routes as Alertmanager's configuration has it, without secrets. */
  readonly configText: (tenant: TenantId) => string;
}

const text = z.string();
const PostableAlerts = z
  .array(
    z.object({
      labels: z.record(z.string().min(1), text),
      annotations: z.record(z.string(), text).nullish(),
      startsAt: text.nullish(),
      endsAt: text.nullish(),
      generatorURL: text.nullish(),
    }),
  )
  .max(20_000);

const PostableSilence = z.object({
  id: text.nullish(),
  matchers: z.array(
    z.object({
      name: z.string().min(1),
      value: text,
      isRegex: z.boolean().default(false),
      isEqual: z.boolean().nullish(),
    }),
  ),
  startsAt: text.nullish(),
  endsAt: text,
  createdBy: text.default(''),
  comment: text.default(''),
});

const MOST_SILENCES = 10_000;

/**
 * The part of Alertmanager's API v2 that its clients use: amtool, Grafana's data source, and Prometheus, which may send
 * its alerts here.
 */
export function alertmanagerRoutes(router: Router, deps: AlertmanagerRouteDeps): void {
  const form = textBody(deps.requestBytes);
  const { callerOf, now } = deps;

  mount(router, '/api/v2/status', {
    GET: (request, response) => {
      const { tenant } = callerOf(request);
      const { version } = deps;
      response.json({
        cluster: { status: 'disabled', peers: [] },
        versionInfo: { version, revision: '', branch: '', buildUser: '', buildDate: '', goVersion: '' },
        config: { original: deps.configText(tenant) },
        uptime: formatInstant(deps.startedAt),
      });
    },
  });
  mount(router, '/api/v2/receivers', {
    GET: (request, response) => {
      response.json(deps.receivers(callerOf(request).tenant).map((name) => ({ name })));
    },
  });

  mount(router, '/api/v2/alerts', {
    GET: async (request, response) => {
      const { tenant } = callerOf(request);
      const views = await viewed(tenant, alertFilter(parametersInAddress(request)));
      await sendPieces(response, listOf(views, alertText), deps.pause);
    },
    POST: [
      form,
      async (request, response) => {
        const { tenant } = requireRole(callerOf(request), 'writer');
        const alerts = PostableAlerts.parse(readDocument(request, 'the alerts'));
        const at = now();
        await deps.tell(
          tenant,
          alerts.map((alert, i) => toldAlert(alert, i, at)),
        );
        response.status(200).json({});
      },
    ],
  });
  mount(router, '/api/v2/alerts/groups', {
    GET: async (request, response) => {
      const { tenant } = callerOf(request);
      const groups = new Map<string, { readonly place: GroupPlace; readonly views: AlertView[] }>();
      for (const view of await viewed(tenant, alertFilter(parametersInAddress(request)))) {
        for (const place of view.places) {
          const group = groups.get(place.key);
          if (group === undefined) groups.set(place.key, { place, views: [view] });
          else group.views.push(view);
        }
      }
      const sorted = [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
      await sendPieces(response, groupTexts(sorted), deps.pause);
    },
  });

  async function viewed(tenant: TenantId, wanted: (view: AlertView) => boolean): Promise<readonly AlertView[]> {
    const found: AlertView[] = [];
    for await (const views of deps.viewsOf(tenant)) for (const view of views) if (wanted(view)) found.push(view);
    return found;
  }

  mount(router, '/api/v2/silences', {
    GET: (request, response) => {
      const { tenant } = callerOf(request);
      const filters = filtersOf(parametersInAddress(request));
      const tests = filters.map(aboutTest);
      const found = deps.silences(tenant).filter(({ matchers }) => tests.every((isAbout) => isAbout(matchers)));
      const at = now();
      const order = ['active', 'pending', 'expired'];
      const rank = (silence: Silence) => order.indexOf(silenceState(silence, at));
      const sorted = found.sort((a, b) => rank(a) - rank(b) || a.endsAt - b.endsAt);
      response.json(sorted.map((silence) => silenceAnswer(silence, at)));
    },
    POST: [
      form,
      async (request, response) => {
        const { tenant } = requireRole(callerOf(request), 'operator');
        response.json({ silenceID: await keepSilence(request, tenant) });
      },
    ],
  });
  mount(router, '/api/v2/silence/:id', {
    GET: (request, response) => {
      const { tenant } = callerOf(request);
      response.json(silenceAnswer(silenceOf(tenant, request), now()));
    },
    DELETE: async (request, response) => {
      const { tenant } = requireRole(callerOf(request), 'operator');
      const silence = silenceOf(tenant, request);
      if (silenceState(silence, now()) === 'expired') {
        throw new BadParameterError('id', `the silence ${silence.id} has expired already`);
      }
      await deps.putSilences(tenant, [expired(silence, now())]);
      response.status(200).end();
    },
  });

  function silenceOf(tenant: TenantId, request: Request): Silence {
    const id = String(request.params['id']);
    const silence = deps.silence(tenant, id);
    if (silence === undefined) throw new NotFoundError(`there is no silence ${id.slice(0, 100)}`);
    return silence;
  }

  /** As Alertmanager: one that is changed in what it matches, or had expired, is another one, and the old one ends. */
  async function keepSilence(request: Request, tenant: TenantId): Promise<string> {
    const posted = PostableSilence.parse(readDocument(request, 'the silence'));
    const at = now();
    const matchers = posted.matchers.map(({ name, value, isRegex, isEqual }): Matcher => {
      const op: MatcherOp = (isEqual ?? true) ? (isRegex ? '=~' : '=') : isRegex ? '!~' : '!=';
      return { name, op, value };
    });
    const asked = {
      matchers,
      startsAt: posted.startsAt ? instant('startsAt', posted.startsAt) : at,
      endsAt: instant('endsAt', posted.endsAt),
      createdBy: posted.createdBy.slice(0, 500),
      comment: posted.comment.slice(0, 5_000),
      updatedAt: at,
    };
    const fault = silenceFault(asked, at);
    if (fault !== undefined) throw new BadParameterError('silence', fault);
    const before = posted.id ? deps.silence(tenant, posted.id) : undefined;
    if (posted.id && before === undefined) throw new NotFoundError(`there is no silence ${posted.id.slice(0, 100)}`);
    if (before === undefined) {
      if (deps.silences(tenant).length >= MOST_SILENCES) {
        const kept = SILENCE_KEPT_MS / 86_400_000;
        const why = `there are ${MOST_SILENCES} already (expired ones go after ${kept} days)`;
        throw new BadParameterError('silence', why);
      }
      const silence = { id: deps.newId(), ...asked, startsAt: Math.max(asked.startsAt, at) };
      await deps.putSilences(tenant, [silence]);
      return silence.id;
    }
    const state = silenceState(before, at);
    const isSame = JSON.stringify(before.matchers) === JSON.stringify(matchers);
    if (isSame && state !== 'expired') {
      const startsAt = state === 'active' ? before.startsAt : Math.max(asked.startsAt, at);
      await deps.putSilences(tenant, [{ id: before.id, ...asked, startsAt }]);
      return before.id;
    }
    const silence = { id: deps.newId(), ...asked, startsAt: Math.max(asked.startsAt, at) };
    await deps.putSilences(tenant, [...(state === 'expired' ? [] : [expired(before, at)]), silence]);
    return silence.id;
  }
}

function expired(silence: Silence, at: Millis): Silence {
  // One that had not begun never will.
  return { ...silence, startsAt: Math.min(silence.startsAt, at), endsAt: at, updatedAt: at };
}

type PostableAlert = z.infer<typeof PostableAlerts>[number];

function toldAlert(
  { labels, annotations, startsAt, endsAt, generatorURL }: PostableAlert,
  i: number,
  now: Millis,
): Alert {
  const own = labelsOf(labels);
  if (own.length === 0) throw new BadParameterError(`[${i}].labels`, 'expected at least one label with a value');
  const end = given(endsAt) ? instant(`[${i}].endsAt`, endsAt!) : undefined;
  const start = given(startsAt) ? instant(`[${i}].startsAt`, startsAt!) : Math.min(now, end ?? now);
  if (end !== undefined && end < start) throw new BadParameterError(`[${i}].endsAt`, 'expected it after startsAt');
  return {
    labels: own,
    annotations: annotations ?? {},
    startsAt: start,
    ...(end !== undefined && { endsAt: end }),
    generatorUrl: generatorURL ?? '',
  };
}

/** Go's zero time stands for none. */
function given(time: string | null | undefined): boolean {
  return time !== null && time !== undefined && time !== '' && !time.startsWith('0001-01-01');
}

/** Of the years 1 to 9999: others can be written to no receiver. */
function instant(name: string, written: string): Millis {
  let at: Millis;
  try {
    at = parseInstant(written);
  } catch (error) {
    throw new BadParameterError(name, (error as Error).message, { cause: error });
  }
  if (at >= FIRST_INSTANT && at <= LAST_INSTANT) return at;
  throw new BadParameterError(name, 'expected a time of the years 1 to 9999');
}

const FIRST_INSTANT = parseInstant('0001-01-01T00:00:00Z');
const LAST_INSTANT = parseInstant('9999-12-31T23:59:59Z');

function filtersOf(parameters: Parameters): readonly Matcher[] {
  try {
    return parameters.getAll('filter').flatMap(parseMatchers);
  } catch (error) {
    throw new BadParameterError('filter', (error as Error).message, { cause: error });
  }
}

/** Whether a silence is about what the filter asks for. */
function aboutTest({ name, op, value }: Matcher): (matchers: readonly Matcher[]) => boolean {
  const test = compileMatchers([{ name, op, value }]);
  return (matchers) => matchers.some((one) => one.name === name && (test([[name, one.value]]) || value === one.value));
}

function alertFilter(parameters: Parameters): (view: AlertView) => boolean {
  const test = compileMatchers(filtersOf(parameters));
  const wants = (name: string) => parameters.get(name) !== 'false';
  const [active, silenced, inhibited] = ['active', 'silenced', 'inhibited'].map(wants);
  const receiver = parameters.get('receiver');
  const isReceiver = receiverTest(receiver);
  return ({ alert, endsAt, silencedBy, inhibitedBy, places }) => {
    if (endsAt !== undefined || !test(alert.labels)) return false;
    if (receiver !== null && !places.some(({ route }) => isReceiver(route.receiver))) return false;
    if (silencedBy.length > 0 && !silenced) return false;
    if (inhibitedBy.length > 0 && !inhibited) return false;
    return silencedBy.length + inhibitedBy.length > 0 || active === true;
  };
}

function receiverTest(pattern: string | null): (name: string) => boolean {
  if (pattern === null) return () => true;
  try {
    const test = compileMatchers([{ name: 'receiver', op: '=~', value: pattern }]);
    return (name) => test([['receiver', name]]);
  } catch (error) {
    throw new BadParameterError('receiver', (error as Error).message, { cause: error });
  }
}

function* listOf<T>(all: readonly T[], textOf: (one: T) => string): Generator<string> {
  yield '[';
  for (const [i, one] of all.entries()) yield i === 0 ? textOf(one) : `,${textOf(one)}`;
  yield ']';
}

function* groupTexts(
  groups: readonly { readonly place: GroupPlace; readonly views: readonly AlertView[] }[],
): Generator<string> {
  yield '[';
  for (const [i, { place, views }] of groups.entries()) {
    const labels = JSON.stringify(Object.fromEntries(place.labels));
    const receiver = JSON.stringify({ name: place.route.receiver });
    yield `${i === 0 ? '' : ','}{"labels":${labels},"receiver":${receiver},"alerts":`;
    yield* listOf(views, alertText);
    yield '}';
  }
  yield ']';
}

function alertText(view: AlertView): string {
  return JSON.stringify(alertAnswer(view));
}

function alertAnswer({ alert, flapping, silencedBy, inhibitedBy, places }: AlertView): object {
  const isHeldBack = silencedBy.length + inhibitedBy.length > 0;
  return {
    annotations: alert.annotations,
    endsAt: formatInstant(alert.until),
    fingerprint: alert.fingerprint,
    receivers: [...new Set(places.map(({ route }) => route.receiver))].map((name) => ({ name })),
    startsAt: formatInstant(alert.startsAt),
    status: { inhibitedBy, silencedBy, state: isHeldBack ? 'suppressed' : 'active' },
    updatedAt: formatInstant(alert.updatedAt),
    generatorURL: alert.generatorUrl,
    labels: Object.fromEntries(alert.labels),
    ...(flapping && { flapping }),
  };
}

function silenceAnswer(silence: Silence, now: Millis): object {
  const { id, matchers, startsAt, endsAt, updatedAt, createdBy, comment } = silence;
  return {
    id,
    status: { state: silenceState(silence, now) },
    updatedAt: formatInstant(updatedAt),
    comment,
    createdBy,
    endsAt: formatInstant(endsAt),
    matchers: matchers.map(({ name, op, value }) => ({
      ...{ name, value, isRegex: op.endsWith('~'), isEqual: op.startsWith('=') },
    })),
    startsAt: formatInstant(startsAt),
  };
}
