import type { Response } from 'express';
import { CodedError } from '../model/errors.ts';
import { formatMatcher, type Matcher } from '../model/matcher.ts';
import type { TenantId } from '../model/tenant.ts';
import type { TenantLimits } from '../model/tenant-limits.ts';
import { formatDuration, type Millis, SECOND, type TimeRange } from '../model/time.ts';
import type { EvaluationWatch } from '../storage/storage.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { QueryCanceledError, QueryLimitError, QueryRefusedError, QueryTimeoutError } from './errors.ts';
import { openQueryGate } from './query-gate.ts';

/** What is bounded of a query. */
export type RunLimits = Pick<
  TenantLimits,
  | 'max_fetched_series_per_query'
  | 'max_samples_per_query'
  | 'max_estimated_memory_consumption_per_query'
  | 'max_query_expression_size_bytes'
  | 'max_total_query_length'
  | 'query_timeout'
  | 'max_query_parallelism'
  | 'max_outstanding_requests_per_tenant'
>;

export interface QueryRunsDeps {
  readonly limitsOf: (tenant: TenantId) => RunLimits;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** The tenant as metrics name it. */
  readonly tenantName: (tenant: TenantId) => string;
  /** Waits for the tenant's turn on the thread, where others have theirs. */
  readonly pauseOf: PauseOf;
  /** Milliseconds from which on a query is slow. */
  readonly slowMs: number;
}

/** Called between pieces of a query's work: a promise is a rest, so that others get their turn. */
export type PauseOf = (tenant: TenantId) => () => Promise<void> | undefined;

export interface QueryAbout {
  /** `labels`: of what is known beside samples. */
  readonly kind: 'instant' | 'range' | 'read' | 'federate' | 'labels';
  readonly tenant: TenantId;
  /** The expression, or the selectors. */
  readonly text: string;
  readonly range: TimeRange;
  readonly stepMs?: number;
}

/** Where a query's time goes: `queue` until it may run, `answer` from when it is written. */
export type Phase = 'queue' | 'select' | 'evaluate' | 'answer';

export interface Selected {
  readonly selector: string;
  readonly series: number;
  readonly samples: number;
  readonly seconds: number;
}

/** What a query did so far. */
export interface RunStats {
  readonly seconds: Readonly<Record<Phase, number>>;
  readonly selected: readonly Selected[];
}

/** A query that runs. */
export interface QueryRun {
  /** Ends with the client's connection, and by its timeout until the answer is written. */
  readonly signal: AbortSignal;
  readonly limits: { readonly maxSamples: number };
  /** For whoever evaluates. */
  readonly watch: EvaluationWatch;
  /** Called between pieces of work. A promise is a rest, which rejects where the run has ended meanwhile. */
  readonly pause: () => Promise<void> | undefined;
  phase(next: Phase): void;
  /** @throws {QueryLimitError} If the query has more series than it may have. */
  selected(selector: string, series: number, samples: number, ms: number): void;
  stats(): RunStats;
}

export interface QueryRuns {
  /**
   * Runs a query within its tenant's limits, and tells of it. What `action` writes is part of it.
   * @param timeoutMs The client's own; undefined: the tenant's.
   */
  run<T>(
    response: Response,
    about: QueryAbout,
    timeoutMs: number | undefined,
    action: (run: QueryRun) => Promise<T>,
  ): Promise<T>;
}

/** A sample in memory: its time and its value. */
const SAMPLE_BYTES = 16;
const MOST_LOGGED_TEXT = 4_096;
const MOST_LOGGED_SELECTORS = 20;
const CARDINALITY =
  'Consider reducing the time range and/or number of series selected by the query. One way to reduce the number of selected series is to add more label matchers to the query';

export function openQueryRuns(deps: QueryRunsDeps): QueryRuns {
  const gate = openQueryGate();
  const { metrics, tenantName, pauseOf } = deps;
  return {
    async run(response, about, timeoutMs, action) {
      const { tenant } = about;
      const limits = deps.limitsOf(tenant);
      const labels = { tenant: tenantName(tenant), kind: about.kind };
      const mostMs = Math.min(timeoutMs ?? Number.POSITIVE_INFINITY, limits.query_timeout);
      const pause = pauseOf(tenant);
      const { run, finish } = beginRun(limits, mostMs, response, pause);
      let error: unknown;
      let entered = false;
      try {
        checkText(about, limits);
        const leave = await gate.enter(tenant, limits, run.signal);
        entered = true;
        metrics.queriesRunning.inc({ tenant: labels.tenant });
        try {
          // One that is alone has its first turn at once.
          if (gate.running(tenant) > 1) await pause();
          run.phase('select');
          return await action(run);
        } finally {
          metrics.queriesRunning.dec({ tenant: labels.tenant });
          leave();
        }
      } catch (caught) {
        error = finish.errorOf(caught);
        throw error;
      } finally {
        const { seconds, selected } = finish.stats();
        // Who writes an answer to nobody need not throw.
        const reason = error !== undefined ? reasonOf(error) : finish.isLeft() ? 'query_canceled' : '';
        metrics.queries.inc({ ...labels, outcome: outcomeOf(reason), reason });
        for (const phase of ['queue', 'select', 'evaluate', 'answer'] as const) {
          metrics.querySeconds.observe({ kind: about.kind, phase }, seconds[phase]);
        }
        metrics.querySamples.inc({ tenant: labels.tenant }, sumOf(selected, 'samples'));
        const total = Object.values(seconds).reduce((sum, each) => sum + each, 0);
        if (total * SECOND >= deps.slowMs) {
          deps.log.warn(slowLine(about, { seconds, selected }, { total, reason, entered }), 'a query was slow');
        }
      }
    },
  };
}

function beginRun(limits: RunLimits, mostMs: number, response: Response, pauseThread: () => Promise<void> | undefined) {
  const stop = new AbortController();
  let ended: 'gone' | 'timeout' | undefined;
  const end = (how: 'gone' | 'timeout') => {
    ended ??= how;
    stop.abort();
  };
  const onClose = () => {
    if (!response.writableFinished) end('gone');
  };
  response.on('close', onClose);
  if (response.destroyed) onClose();
  // A signal's own timeout could not be taken back once the answer is written.
  const timerOf = (ms: number) => setTimeout(() => end('timeout'), Math.min(Math.max(1, ms), 2 ** 31 - 1));
  let timer = timerOf(mostMs);
  const seconds: Record<Phase, number> = { queue: 0, select: 0, evaluate: 0, answer: 0 };
  let phase: Phase = 'queue';
  let since = performance.now();
  const enter = (next: Phase) => {
    const now = performance.now();
    seconds[phase] += (now - since) / SECOND;
    const was = phase;
    [phase, since] = [next, now];
    if (next === 'answer') clearTimeout(timer);
    // A request of several queries selects again once the first of them is answered.
    else if (was === 'answer') timer = timerOf(mostMs - (seconds.queue + seconds.select + seconds.evaluate) * SECOND);
  };
  const selected: Selected[] = [];
  let series = 0;
  const mostSeries = limits.max_fetched_series_per_query || Number.POSITIVE_INFINITY;
  const ofMemory = limits.max_estimated_memory_consumption_per_query;
  const byMemory = ofMemory === 0 ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(ofMemory / SAMPLE_BYTES));
  const note = (selector: string, found: number, samples: number, ms: number) => {
    selected.push({ selector, series: found, samples, seconds: ms / SECOND });
    series += found;
    if (series <= mostSeries) return;
    const message = `the query exceeded the maximum number of series (limit: ${mostSeries} series)`;
    throw limitError(message, 'max-series-per-query', 'querier.max-fetched-series-per-query');
  };
  const run: QueryRun = {
    signal: stop.signal,
    limits: { maxSamples: Math.min(limits.max_samples_per_query, byMemory) },
    watch: {
      selecting(matchers: readonly Matcher[]) {
        const began = performance.now();
        return (found, samples) =>
          note(`{${matchers.map(formatMatcher).join(',')}}`, found, samples, performance.now() - began);
      },
      evaluating: () => enter('evaluate'),
    },
    pause: () => pauseThread()?.then(() => stop.signal.throwIfAborted()),
    phase: enter,
    selected: note,
    stats: () => ({ seconds, selected }),
  };
  const finish = {
    stats() {
      enter(phase);
      clearTimeout(timer);
      response.off('close', onClose);
      return { seconds, selected };
    },
    /** Whether the client went away. */
    isLeft: () => ended === 'gone',
    errorOf(error: unknown): unknown {
      if (ended === 'gone') return new QueryCanceledError('the client went away before the answer', { cause: error });
      if (ended === 'timeout') {
        return new QueryTimeoutError(`query timed out after ${formatDuration(mostMs)}`, { cause: error });
      }
      if (byMemory > limits.max_samples_per_query || !isTooManySamples(error)) return error;
      const message = `the query exceeded the maximum allowed estimated amount of memory consumed by a single query (limit: ${ofMemory} bytes)`;
      const flag = 'querier.max-estimated-memory-consumption-per-query';
      return limitError(message, 'max-estimated-memory-consumption-per-query', flag, error);
    },
  };
  return { run, finish };
}

function limitError(message: string, id: string, flag: string, cause?: unknown): QueryLimitError {
  return new QueryLimitError(`err-mimir-${id}`, `${message} (err-mimir-${id}). ${CARDINALITY}. ${adjust(flag)}`, {
    cause,
  });
}

function adjust(flag: string): string {
  return `To adjust the related per-tenant limit, configure -${flag}, or contact your service administrator.`;
}

/** @throws {QueryRefusedError} If what is asked is too much before it begins. */
function checkText({ text, range, kind }: QueryAbout, limits: RunLimits): void {
  const { max_query_expression_size_bytes: mostBytes, max_total_query_length: mostMs } = limits;
  const bytes = mostBytes === 0 ? 0 : Buffer.byteLength(text);
  if (bytes > mostBytes) {
    const message = `the raw query size in bytes exceeds the limit (query size: ${bytes}, limit: ${mostBytes})`;
    throw refused(message, 'max-query-expression-size-bytes', 'query-frontend.max-query-expression-size-bytes');
  }
  // Who asks for labels gives no range as a rule, and is told of all.
  const length: Millis = kind === 'instant' || kind === 'labels' ? 0 : range.end - range.start;
  if (mostMs > 0 && length > mostMs) {
    const limit = `query length: ${formatDuration(length)}, limit: ${formatDuration(mostMs)}`;
    const message = `the total query time range exceeds the limit (${limit})`;
    throw refused(message, 'max-total-query-length', 'query-frontend.max-total-query-length');
  }
}

function refused(message: string, id: string, flag: string): QueryRefusedError {
  return new QueryRefusedError(`err-mimir-${id}`, `${message} (err-mimir-${id}). ${adjust(flag)}`);
}

function isTooManySamples(error: unknown): boolean {
  if (!(error instanceof CodedError)) return false;
  return error.code === 'too_many_samples' || /would load too many samples into memory/.test(error.message);
}

/** For counters: a limit by its id, all else by its code. */
function reasonOf(error: unknown): string {
  if (error instanceof QueryLimitError || error instanceof QueryRefusedError) {
    return error.id.replace('err-mimir-', '').replaceAll('-', '_');
  }
  if (isTooManySamples(error)) return 'max_samples_per_query';
  return error instanceof CodedError ? error.code : 'internal';
}

function outcomeOf(reason: string): string {
  if (reason === '') return 'answered';
  if (reason === 'query_canceled') return 'canceled';
  if (reason === 'query_timeout') return 'timeout';
  return reason.startsWith('max_') || reason === 'too_many_queries' ? 'limited' : 'failed';
}

function slowLine(
  { tenant, kind, text, range, stepMs }: QueryAbout,
  { seconds, selected }: RunStats,
  { total, reason, entered }: { readonly total: number; readonly reason: string; readonly entered: boolean },
) {
  const rounded = (value: number) => Math.round(value * 1e6) / 1e6;
  return {
    tenant,
    kind,
    query: text.length <= MOST_LOGGED_TEXT ? text : `${text.slice(0, MOST_LOGGED_TEXT)}…`,
    start: range.start / SECOND,
    end: range.end / SECOND,
    ...(stepMs !== undefined && { step: stepMs / SECOND }),
    ran: entered,
    ...(reason !== '' && { reason }),
    series: sumOf(selected, 'series'),
    samples: sumOf(selected, 'samples'),
    seconds: rounded(total),
    phases: Object.fromEntries(Object.entries(seconds).map(([phase, each]) => [phase, rounded(each)])),
    selectors: selected
      .slice(0, MOST_LOGGED_SELECTORS)
      .map(({ selector, ...counts }) => ({ selector: selector.slice(0, 1_000), ...counts })),
  };
}

function sumOf(selected: readonly Selected[], of: 'series' | 'samples'): number {
  return selected.reduce((sum, each) => sum + each[of], 0);
}
