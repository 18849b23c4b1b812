import { userInfo } from 'node:os';
import type { Command } from 'commander';
import type { Clock } from '../model/clock.ts';
import { formatInstant, parseDuration, parseInstant } from '../model/time.ts';
import { askServer, type ServerOptions, serverOptions } from './client.ts';
import { UsageError } from './usage-error.ts';

interface AlertDeps {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

type Json = ServerOptions & { readonly json: boolean };

interface AlertAnswer {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly status: { readonly state: string };
  readonly flapping?: boolean;
}

interface SilenceAnswer {
  readonly id: string;
  readonly status: { readonly state: string };
  readonly matchers: readonly {
    readonly name: string;
    readonly value: string;
    readonly isRegex: boolean;
    readonly isEqual: boolean;
  }[];
  readonly endsAt: string;
  readonly createdBy: string;
  readonly comment: string;
}

interface LetterAnswer {
  readonly id: string;
  readonly receiver: string;
  readonly integration: string;
  readonly reason: string;
  readonly error: string;
  readonly diedAt: string;
}

const JSON_BODY = 'application/json';

/** `foresail alert …`: what fires, who hears of it, silences, and messages that were given up. */
export function alertCommand(program: Command, deps: AlertDeps): void {
  const alert = program
    .command('alert')
    .description('Look at alerts, silence them, test receivers, and see to messages that were given up');

  withServer(alert.command('test'))
    .description('Tell a receiver of a test alert, now, and say what became of it')
    .argument('<receiver>', 'a name of alerting.receivers')
    .addHelpText('after', '\nExample:\n  $ foresail alert test team')
    .action(async (receiver: string, { json, ...server }: Json) => {
      const { integrations } = await dataOf<{ integrations: TestAnswer[] }>(server, '/api/v1/alerting/test', deps, {
        receiver,
      });
      if (json) console.log(JSON.stringify(integrations));
      else for (const one of integrations) console.log(testLine(one));
      if (integrations.length === 0 && !json) console.log(`the receiver ${receiver} is told in no way`);
      if (integrations.some(({ kind }) => kind === 'failed')) process.exitCode = 1;
    });

  withServer(alert.command('list'))
    .description('What fires')
    .option('--filter <matcher...>', 'only those that match, such as severity=critical')
    .option('--silenced', 'those too that are held back by a silence or another alert', false)
    .addHelpText('after', '\nExample:\n  $ foresail alert list --filter severity=critical')
    .action(async ({ json, filter = [], silenced, ...server }: Json & { filter?: string[]; silenced: boolean }) => {
      const query = new URLSearchParams(filter.map((matcher): [string, string] => ['filter', matcher]));
      if (!silenced) for (const name of ['silenced', 'inhibited']) query.set(name, 'false');
      const alerts = (await askServer(server, `/api/v2/alerts?${query}`, deps)) as AlertAnswer[];
      if (json) return console.log(JSON.stringify(alerts));
      if (alerts.length === 0) return console.log('nothing fires');
      const rows = alerts.map(({ labels, annotations, startsAt, status, flapping }) => [
        labels['severity'] ?? '',
        labels['alertname'] ?? '',
        flapping ? `${status.state}, flapping` : status.state,
        startsAt.slice(0, 19).replace('T', ' '),
        annotations['summary'] ?? '',
      ]);
      for (const line of columns([['severity', 'alert', 'state', 'since (UTC)', 'summary'], ...rows])) {
        console.log(line);
      }
    });

  const silence = alert.command('silence').description('Silences: alerts that match are told to nobody for a while');
  withServer(silence.command('add'))
    .description('Silence what matches all of the matchers')
    .argument('<matcher...>', 'such as alertname=AnomalyDemand namespace=shop, or team=~"a|b"')
    .requiredOption('--comment <text>', 'why')
    .option('--author <name>', 'who', userName())
    .option('--duration <length>', 'for how long', '2h')
    .option('--start <time>', 'from when: RFC 3339 or seconds since 1970 (default: now)')
    .addHelpText(
      'after',
      '\nExample:\n  $ foresail alert silence add namespace=shop --duration 4h --comment "load test of the shop"',
    )
    .action(async (matchers: string[], options: Json & Record<'comment' | 'author' | 'duration', string> & Start) => {
      const { json, comment, author, duration, start, ...server } = options;
      const { parseMatchers } = await import('../alerting/matchers.ts');
      const startsAt = start === undefined ? deps.clock.now() : usage(() => parseInstant(start));
      const body = {
        matchers: usage(() => matchers.flatMap(parseMatchers)).map(({ name, op, value }) => {
          return { name, value, isRegex: op.endsWith('~'), isEqual: op.startsWith('=') };
        }),
        startsAt: formatInstant(startsAt),
        endsAt: formatInstant(startsAt + usage(() => parseDuration(duration))),
        createdBy: author,
        comment,
      };
      const { silenceID } = (await askServer(server, '/api/v2/silences', {
        ...{ method: 'POST', body: JSON.stringify(body), contentType: JSON_BODY, signal: deps.signal },
      })) as { silenceID: string };
      console.log(json ? JSON.stringify({ silenceID }) : `silence ${silenceID} for ${duration}`);
    });
  withServer(silence.command('list'))
    .description('Silences that are active or to come')
    .option('--expired', 'those too that are over', false)
    .addHelpText('after', '\nExample:\n  $ foresail alert silence list')
    .action(async ({ json, expired, ...server }: Json & { expired: boolean }) => {
      const all = (await askServer(server, '/api/v2/silences', deps)) as SilenceAnswer[];
      const shown = all.filter(({ status }) => expired || status.state !== 'expired');
      if (json) return console.log(JSON.stringify(shown));
      if (shown.length === 0) return console.log('there are no silences');
      const rows = shown.map(({ id, status, matchers, endsAt, createdBy, comment }) => [
        id,
        status.state,
        matchers.map(matcherText).join(' '),
        endsAt.slice(0, 19).replace('T', ' '),
        createdBy,
        comment,
      ]);
      for (const line of columns([['id', 'state', 'matches', 'until (UTC)', 'by', 'why'], ...rows])) {
        console.log(line);
      }
    });
  withServer(silence.command('expire'))
    .description('End silences now')
    .argument('<id...>')
    .addHelpText('after', '\nExample:\n  $ foresail alert silence expire ace0e177-377d-4e7e-b4df-5f9678e14594')
    .action(async (ids: string[], { json, ...server }: Json) => {
      for (const id of ids) {
        const path = `/api/v2/silence/${encodeURIComponent(id)}`;
        await askServer(server, path, { method: 'DELETE', signal: deps.signal });
        if (!json) console.log(`silence ${id} has ended`);
      }
    });

  withServer(alert.command('dead-letters'))
    .description('Messages that were given up, since a receiver refused them or took nothing for too long')
    .option('--retry [id]', 'send one again, or all')
    .option('--drop [id]', 'forget one, or all')
    .addHelpText('after', '\nExample:\n  $ foresail alert dead-letters\n  $ foresail alert dead-letters --retry')
    .action(async ({ json, retry, drop, ...server }: Json & Change) => {
      const path = '/api/v1/alerting/dead-letters';
      const one = (id: string | true) => (id === true ? '' : `/${encodeURIComponent(id)}`);
      if (retry !== undefined && drop !== undefined) throw new UsageError('expected one of --retry and --drop');
      if (retry !== undefined || drop !== undefined) {
        const [to, method] =
          retry !== undefined
            ? [`${path}${one(retry)}/retry`, 'POST' as const]
            : [`${path}${one(drop!)}`, 'DELETE' as const];
        const { data } = (await askServer(server, to, { method, signal: deps.signal })) as { data: object };
        console.log(
          json
            ? JSON.stringify(data)
            : Object.entries(data)
                .map(([word, count]) => `${count} ${word}`)
                .join(),
        );
        return;
      }
      const { data } = (await askServer(server, path, deps)) as { data: { deadLetters: LetterAnswer[] } };
      if (json) return console.log(JSON.stringify(data.deadLetters));
      if (data.deadLetters.length === 0) return console.log('nothing was given up');
      const rows = data.deadLetters.map(({ id, receiver, integration, reason, diedAt, error }) => [
        ...[id, `${receiver}/${integration}`, reason, diedAt.slice(0, 19).replace('T', ' '), error],
      ]);
      for (const line of columns([['id', 'receiver', 'reason', 'given up (UTC)', 'error'], ...rows])) {
        console.log(line);
      }
    });
}

interface Start {
  readonly start?: string;
}

interface Change {
  readonly retry?: string | true;
  readonly drop?: string | true;
}

interface TestAnswer {
  readonly integration: string;
  readonly kind: 'sent' | 'failed';
  readonly reason?: string;
  readonly message?: string;
}

function withServer(command: Command): Command {
  return serverOptions(command.option('--json', 'print JSON', false));
}

async function dataOf<T>(server: ServerOptions, path: string, { signal }: AlertDeps, body: object): Promise<T> {
  const call = { method: 'POST', body: JSON.stringify(body), contentType: JSON_BODY, signal } as const;
  return ((await askServer(server, path, call)) as { readonly data: T }).data;
}

function testLine({ integration, kind, reason, message }: TestAnswer): string {
  return kind === 'sent' ? `${integration}: taken` : `${integration}: not taken (${reason}): ${message}`;
}

function matcherText({ name, value, isRegex, isEqual }: SilenceAnswer['matchers'][number]): string {
  return `${name}${isEqual ? '=' : '!'}${isRegex ? '~' : isEqual ? '' : '='}${JSON.stringify(value)}`;
}

/** A text of the command line that is not what it has to be. */
function usage<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** Texts, each column as wide as its longest one. */
function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!))).join('  '));
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'somebody';
  }
}
