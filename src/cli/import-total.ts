import type { ImportReport } from '../model/import-report.ts';
import { callServer, ServerError, type ServerOptions } from './client.ts';

/** An import in progress: sends lines to the server's import route, shows how far it is, and prints the sums. */
export interface RunningImport {
  /** @throws {ServerError} If the server refuses more than single lines. */
  send(lines: readonly string[], skipped?: Skipped): Promise<void>;
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
}

const SUMMED = ['appended', 'duplicates', 'conflicts', 'outOfBounds', 'badLines'] as const;

export function openImport(options: ServerOptions & { readonly json: boolean }, signal: AbortSignal): RunningImport {
  const sums = { appended: 0, duplicates: 0, conflicts: 0, outOfBounds: 0, badLines: 0, nativeHistograms: 0, gaps: 0 };
  let firstError: string | null = null;
  return {
    async send(lines, { nativeHistograms = 0, gaps = 0 } = {}) {
      sums.nativeHistograms += nativeHistograms;
      sums.gaps += gaps;
      if (lines.length === 0) return;
      const { data, error } = await sendLines(lines, options, signal);
      for (const key of SUMMED) sums[key] += data[key];
      firstError ??= error;
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

async function sendLines(lines: readonly string[], server: ServerOptions, signal: AbortSignal) {
  const body = `${lines.join('\n')}\n`;
  const call = { method: 'POST', body, contentType: 'application/x-ndjson', signal } as const;
  const answer = await callServer(server, '/api/v1/import', call);
  const { data, error } = answer.body as { data?: ImportReport; error?: string };
  if (data === undefined) throw new ServerError(error ?? `the server answered ${answer.status}`, answer.status);
  return { data, error: error ?? null };
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
  if (firstError !== null) lines.push(firstError);
  return lines.join('\n');
}
