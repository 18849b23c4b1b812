import { type Command, Option } from 'commander';
import type { z } from 'zod';
import { partText } from '../anomaly/incident-alert.ts';
import type { AnomalyAnswer } from '../http/anomaly-schemas.ts';
import { formatLabels, labelsOf } from '../model/labels.ts';
import { formatDuration, formatInstant, SECOND } from '../model/time.ts';
import { askServer, type ServerOptions, serverOptions } from './client.ts';
import { tableLines } from './table-lines.ts';
import { UsageError } from './usage-error.ts';

type Answer = z.infer<typeof AnomalyAnswer>;

interface ListOptions extends ServerOptions {
  readonly start?: string;
  readonly end?: string;
  readonly watch?: string;
  readonly severity?: string;
  readonly state?: string;
  readonly limit: string;
  readonly json: boolean;
}

interface FeedbackOptions extends ServerOptions {
  readonly normal?: boolean;
  readonly anomaly?: boolean;
  readonly note: string;
  readonly who: string;
}

/** `foresail anomalies`: what was unusual, newest first; `foresail anomalies feedback`: what somebody says of one. */
export function anomaliesCommand(program: Command, { signal }: { readonly signal: AbortSignal }): void {
  const command = program
    .command('anomalies')
    .description('Show what was unusual, newest first, and say of one that it was normal')
    .option('--start <time>', 'seconds or ISO 8601; seven days ago if not given')
    .option('--end <time>', 'seconds or ISO 8601; now if not given')
    .option('--watch <name>', 'only those of this watch, or of this demand')
    .addOption(new Option('--severity <severity>', 'only these').choices(['alert', 'incident']))
    .addOption(new Option('--state <state>', 'only these').choices(['open', 'ended']))
    .option('--limit <n>', 'at most so many', '20');
  serverOptions(command)
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      '\nExamples:\n  $ foresail anomalies --state open\n  $ foresail anomalies feedback mwsega3k-21m18koht6n --normal --note "spring sale"',
    )
    .action(async (options: ListOptions) => {
      const { data } = (await askServer(options, `/api/v1/anomalies?${parametersOf(options)}`, { signal })) as {
        data: readonly Answer[];
      };
      if (options.json) console.log(JSON.stringify(data, null, 2));
      else console.log(tellAnomalies(data));
    });

  const feedback = command
    .command('feedback <id>')
    .description('Say what an anomaly was: from then on, one like it is none, or its demand does not learn from it')
    .option('--normal', 'it was none')
    .option('--anomaly', 'it was one')
    .option('--note <text>', 'why', '')
    .option('--who <name>', 'who says so, where no credential does', '');
  serverOptions(feedback).action(async (id: string, _options: FeedbackOptions, used: Command) => {
    const { normal, anomaly, note, who, ...server } = used.optsWithGlobals<FeedbackOptions>();
    if ((normal === true) === (anomaly === true)) throw new UsageError('expected one of --normal and --anomaly');
    const verdict = normal === true ? 'normal' : 'anomaly';
    const { data } = (await askServer(server, `/api/v1/anomalies/${encodeURIComponent(id)}/feedback`, {
      method: 'POST',
      body: JSON.stringify({ verdict, note, who }),
      contentType: 'application/json',
      signal,
    })) as { data: Answer };
    console.log(`${id}: ${verdict}, as ${data.feedback?.who ?? 'nobody'} says`);
  });
}

/** A line each. */
function tellAnomalies(anomalies: readonly Answer[]): string {
  if (anomalies.length === 0) return 'Nothing was unusual.';
  const rows = anomalies.map((anomaly) => {
    const { id, severity, startedAt, endedAt, peak, feedback } = anomaly;
    const lasted = endedAt === null ? 'goes on' : formatDuration((endedAt - startedAt) * SECOND);
    return [
      formatInstant(startedAt * SECOND),
      feedback?.verdict === 'normal' ? 'normal' : severity,
      nameOf(anomaly),
      partText(peak),
      `${numberText(peak.value)} (${numberText(peak.expected)})`,
      peak.score.toFixed(2),
      lasted,
      id,
    ];
  });
  const head = ['since', 'severity', 'series', 'what', 'value (expected)', 'score', 'lasted', 'id'];
  return tableLines([head, ...rows]).join('\n');
}

function nameOf({ watch, labels, policy }: Answer): string {
  if (policy !== null) return `${watch} of ${policy.namespace}/${policy.policy}`;
  return Object.keys(labels).length === 0 ? watch : `${watch}${formatLabels(labelsOf(labels))}`;
}

function numberText(value: number | null): string {
  return value === null ? 'none' : String(Number(value.toPrecision(4)));
}

function parametersOf({ start, end, watch, severity, state, limit }: ListOptions): URLSearchParams {
  if (!/^\d{1,9}$/.test(limit)) throw new UsageError(`--limit: expected a whole number, got "${limit}"`);
  const given = Object.entries({ start, end, watch, severity, state, limit });
  return new URLSearchParams(given.filter((pair): pair is [string, string] => pair[1] !== undefined));
}
