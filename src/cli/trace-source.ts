import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { parsePolicyFile } from '../config/policy-files.ts';
import { formatLocated } from '../config/yaml-document.ts';
import type { Samples } from '../model/series.ts';
import { formatInstant, type Millis, parseDuration } from '../model/time.ts';
import { parsePolicy, type ScalingPolicy } from '../scaling/policy.ts';
import { askServer, type ServerOptions } from './client.ts';
import { loadSeries } from './csv.ts';
import { asArgument } from './forecast-options.ts';
import { parsePolicyName, policyPath } from './policy-name.ts';
import type { QueryData } from './query-render.ts';
import { readText } from './read-text.ts';
import { UsageError } from './usage-error.ts';

/** Where a demand trace comes from: a file, or a query of a running server; the policy's own where none is given. */
export interface TraceFlags {
  readonly trace?: string;
  readonly server?: string;
  readonly query?: string;
  readonly history?: number;
  readonly policy: string;
  readonly tokenFile?: string;
  readonly tenant?: string;
}

export interface LoadedTrace {
  readonly policy: ScalingPolicy;
  readonly rows: Samples;
  /** Of the file or the query, for titles. */
  readonly name: string;
}

export function traceOptions(command: Command): Command {
  return command
    .requiredOption(
      '--policy <file>',
      'a ScalingPolicy; its replicas are the bounds of the simulated autoscaler. With --server also NAMESPACE/NAME',
    )
    .option('--trace <file>', 'CSV with a header: timestamp,value; one series; .gz too')
    .option('--server <url>', 'in place of a file: a running server, or any Prometheus with --query')
    .option('--query <promql>', "what to ask it; several series are summed (default: the policy's own demand)")
    .option('--history <duration>', "how much of it, up to now (default: the policy's history)", (text) =>
      asArgument(() => parseDuration(text)),
    )
    .option('--token-file <file>', 'a file with the credential, where the server asks for one')
    .option('--tenant <id>', 'the tenant, where tenancy is on');
}

/** @throws {UsageError} If the flags name no trace, or what they name is no demand. */
export async function loadTrace(flags: TraceFlags, now: Millis): Promise<LoadedTrace> {
  const { trace, server, query } = flags;
  if ((trace === undefined) === (server === undefined)) {
    throw new UsageError('expected one of --trace FILE and --server URL, to say where the demand comes from');
  }
  if (trace !== undefined) {
    if (query !== undefined) throw new UsageError('--query asks a server: give --server URL in place of --trace');
    return { policy: loadPolicy(flags.policy), rows: await rowsOfFile(trace), name: basename(trace) };
  }
  const options: ServerOptions = { ...flags, url: server! };
  const policy = existsSync(flags.policy) ? loadPolicy(flags.policy) : await policyOnServer(flags.policy, options);
  const { query: own, stepMs, historyMs } = policy.demands[0]!;
  const asked = query ?? own;
  const end = Math.floor(now / stepMs) * stepMs;
  const start = end - Math.round((flags.history ?? historyMs) / stepMs) * stepMs;
  const rows = await rowsOfServer(asked, { start, end, stepMs }, options);
  if (rows.times.length < 2) throw new UsageError(`${asked}: expected at least two values, got ${rows.times.length}`);
  return { policy, rows, name: asked };
}

export function checkFrom(from: Millis, { times }: Samples): Millis {
  const [first, last] = [times[0]!, times.at(-1)!];
  if (from >= first && from < last) return from;
  const range = `${formatInstant(first)} to ${formatInstant(last)}`;
  throw new UsageError(`--from ${formatInstant(from)}: expected a time within the trace, which has ${range}`);
}

function loadPolicy(file: string): ScalingPolicy {
  const text = readText(file);
  // A simulation reads the demand from the trace: the query is not checked here.
  const { policies, problems } = parsePolicyFile(text, file, { checkQuery: () => {} });
  const [first, ...others] = problems;
  if (first !== undefined) {
    const more = others.length > 0 ? ` (and ${others.length} more: foresail check lists them)` : '';
    throw new UsageError(`${formatLocated(first)}${more}`);
  }
  if (policies.length !== 1) throw new UsageError(`${file}: expected one scaling policy, got ${policies.length}`);
  return sized(policies[0]!.policy, file);
}

/** @throws {UsageError} If what one replica carries is to be learned. */
function sized(policy: ScalingPolicy, name: string): ScalingPolicy {
  const { perReplica, name: demand } = policy.demands[0]!;
  if (perReplica !== undefined) return policy;
  throw new UsageError(`${name}: add capacity.perReplica to ${demand}: a trace has no utilization to learn it from`);
}

async function policyOnServer(name: string, server: ServerOptions): Promise<ScalingPolicy> {
  if (/\.(ya?ml|json)$/.test(name)) throw new UsageError(`cannot read ${name}: there is no such file or folder`);
  const path = policyPath(parsePolicyName(name), '').replace(/\/$/, '');
  const answer = (await askServer(server, path)) as { readonly data: { readonly policy: unknown } };
  return sized(parsePolicy(answer.data.policy), name);
}

/** Rows in order of time; of several at one time the last counts, and gaps are left out. */
async function rowsOfFile(file: string): Promise<Samples> {
  const { series } = await loadSeries(file);
  if (series.length !== 1) throw new UsageError(`${file}: expected one series, got ${series.length}`);
  const { times, values } = series[0]!;
  const byTime = new Map<Millis, number>();
  for (const [i, time] of times.entries()) if (!Number.isNaN(values[i]!)) byTime.set(time, values[i]!);
  const rows = rowsOf(byTime, file);
  if (rows.times.length < 2) {
    throw new UsageError(`${file}: expected at least two rows with a value, got ${rows.times.length}`);
  }
  return rows;
}

/** Prometheus answers at most 11,000 points a series. */
const MOST_STEPS = 10_000;

interface Steps {
  readonly start: Millis;
  readonly end: Millis;
  readonly stepMs: number;
}

async function rowsOfServer(query: string, { start, end, stepMs }: Steps, server: ServerOptions): Promise<Samples> {
  const sums = new Map<Millis, number>();
  for (let from = start; from <= end; from += MOST_STEPS * stepMs) {
    const until = Math.min(end, from + (MOST_STEPS - 1) * stepMs);
    const form = { query, start: `${from / 1000}`, end: `${until / 1000}`, step: `${stepMs / 1000}` };
    const { data } = (await askServer(server, '/api/v1/query_range', {
      method: 'POST',
      body: String(new URLSearchParams(form)),
      contentType: 'application/x-www-form-urlencoded',
    })) as { readonly data: QueryData };
    if (data.resultType !== 'matrix') throw new UsageError(`${query}: expected numbers over time`);
    for (const { values = [] } of data.result) {
      for (const [seconds, text] of values) {
        const value = Number(text);
        const time = Math.round(seconds * 1000);
        if (Number.isFinite(value)) sums.set(time, (sums.get(time) ?? 0) + value);
      }
    }
  }
  return rowsOf(sums, query);
}

function rowsOf(byTime: ReadonlyMap<Millis, number>, name: string): Samples {
  const rows = [...byTime].sort(([a], [b]) => a - b);
  const bad = rows.find(([, value]) => value < 0);
  if (bad !== undefined) {
    throw new UsageError(`${name}: expected a demand of zero or more, got ${bad[1]} at ${formatInstant(bad[0])}`);
  }
  return { times: Float64Array.from(rows, ([time]) => time), values: Float64Array.from(rows, ([, value]) => value) };
}
