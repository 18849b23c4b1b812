import type { Clock } from '../model/clock.ts';
import type { ImportReport } from '../model/import-report.ts';
import { SECOND } from '../model/time.ts';
import { callServer, ServerError, type ServerOptions } from './client.ts';

/** An import in progress: sends lines to the server's import route, shows how far it is, and prints the sums. */
export interface RunningImport {
  /**
   * Waits where the server, or the rate, asks for it.
   * @throws {ServerError} If the server refuses more than single lines.
   */
  send(lines: readonly string[], samples: number, skipped?: Skipped): Promise<void>;
  /** On standard error, over itself, and only where a person looks. */
  progress(text: string): void;
  /** Prints what became of it. The exit code is 1 where something was left out. */
  finish(): void;
}

/** What never left here. */
export interface Skipped {
  readonly nativeHistograms?: number;
  /** Rows without a finite value. */
  readonly gaps?: number;
  readonly exemplars?: number;
  /** Fields that are texts. */
  readonly texts?: number;
}

export interface ImportPace {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly random: () => number;
  /** Samples a second; undefined: as fast as the server takes them. */
  readonly rate: number | undefined;
}

const ATTEMPTS = 8;
/** What a server may ask for. */
const LONGEST_WAIT_MS = 120 * SECOND;

const SUMMED = ['appended', 'duplicates', 'conflicts', 'outOfBounds', 'badLines'] as const;

export function openImport(options: ServerOptions & { readonly json: boolean }, pace: ImportPace): RunningImport {
  const { clock, signal, rate } = pace;
  const kept = { appended: 0, duplicates: 0, conflicts: 0, outOfBounds: 0, badLines: 0 };
  const sums = { ...kept, nativeHistograms: 0, gaps: 0, exemplars: 0, texts: 0 };
  const began = clock.now();
  let sent = 0;
  let firstError: string | null = null;
  return {
    async send(lines, samples, { nativeHistograms = 0, gaps = 0, exemplars = 0, texts = 0 } = {}) {
      sums.nativeHistograms += nativeHistograms;
      sums.gaps += gaps;
      sums.exemplars += exemplars;
      sums.texts += texts;
      if (lines.length === 0) return;
      for (let rest = lines; rest.length > 0; ) {
        const { data, error } = await sendLines(rest, options, pace);
        for (const key of SUMMED) sums[key] += data[key];
        firstError ??= error;
        // The server stops reading where too many lines cannot be used. Those behind them are no worse for that.
        rest = rest.slice(Math.max(1, data.lines));
      }
      sent += samples;
      const waitMs = rate === undefined ? 0 : began + (sent / rate) * SECOND - clock.now();
      if (waitMs > 0) await clock.sleep(waitMs, signal);
    },
    progress(text) {
      if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}; ${sums.appended} samples stored`);
    },
    finish() {
      if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
      const { conflicts, outOfBounds, badLines, nativeHistograms } = sums;
      if (conflicts + outOfBounds + badLines + nativeHistograms > 0) process.exitCode = 1;
      console.log(options.json ? JSON.stringify({ ...sums, error: firstError }) : formatSums(sums, firstError));
    },
  };
}

/** Sends them again where the server asks to wait: what it has stored of them already counts once. */
async function sendLines(lines: readonly string[], server: ServerOptions, { clock, signal, random }: ImportPace) {
  const body = `${lines.join('\n')}\n`;
  const call = { method: 'POST', body, contentType: 'application/x-ndjson', signal } as const;
  for (let attempt = 1; ; attempt++) {
    const answer = await callServer(server, '/api/v1/import', call);
    const { data, error } = answer.body as { data?: ImportReport; error?: string };
    if (data !== undefined) return { data, error: error ?? null };
    const mayPass = answer.status === 429 || answer.status === 503;
    if (!mayPass || attempt === ATTEMPTS) {
      throw new ServerError(error ?? `the server answered ${answer.status}`, answer.status);
    }
    const backoffMs = 500 * 2 ** attempt * (0.5 + random() / 2);
    await clock.sleep(Math.min(LONGEST_WAIT_MS, Math.max(backoffMs, answer.retryAfterMs ?? 0)), signal);
  }
}

function formatSums(
  sums: Readonly<Record<(typeof SUMMED)[number] | keyof Skipped, number>>,
  firstError: string | null,
): string {
  const lines = [`${sums.appended} samples stored, ${sums.duplicates} were there already`];
  if (sums.conflicts > 0) lines.push(`${sums.conflicts} left out: another value is stored at their time`);
  if (sums.outOfBounds > 0) lines.push(`${sums.outOfBounds} left out: outside the retention, or in the future`);
  if (sums.nativeHistograms > 0) lines.push(`${sums.nativeHistograms} native histograms left out: not supported`);
  if (sums.gaps > 0) lines.push(`${sums.gaps} rows have no finite value: gaps`);
  if (sums.exemplars > 0) lines.push(`${sums.exemplars} exemplars left out: an import is of samples`);
  if (sums.texts > 0) lines.push(`${sums.texts} fields left out: they are texts`);
  if (firstError !== null) lines.push(firstError);
  return lines.join('\n');
}
