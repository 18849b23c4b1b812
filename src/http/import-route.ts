import { createGunzip } from 'node:zlib';
import type { Request, Router } from 'express';
import type { Caller } from '../model/caller.ts';
import { CodedError } from '../model/errors.ts';
import type { ImportReport } from '../model/import-report.ts';
import type { TenantId } from '../model/tenant.ts';
import { requireRole } from './caller.ts';

export interface ImportRouteDeps {
  readonly callerOf: (request: Request) => Caller;
  readonly importLines: (tenant: TenantId, lines: AsyncIterable<string>) => Promise<ImportReport>;
}

/** A body, or one line of it, is larger than the server takes. Send it in smaller pieces. */
export class ImportTooLargeError extends CodedError {
  override readonly name = 'ImportTooLargeError';
  readonly code = 'import_too_large';
}

/** Decoded bytes. A line is held in memory as a whole; a body is read as it comes. */
const MAX_LINE_BYTES = 16 * 2 ** 20;
const MAX_BODY_BYTES = 512 * 2 ** 20;

/**
 * `POST /api/v1/import`: one JSON line for each series, as VictoriaMetrics exports them, into the past of the store.
 * Lines that cannot be used are answered with 400 and their numbers; the other lines are stored.
 */
export function importRoute(router: Router, { callerOf, importLines }: ImportRouteDeps): void {
  router.post('/api/v1/import', async (request, response) => {
    const { tenant } = requireRole(callerOf(request), 'writer');
    const gzipped = request.headers['content-encoding'] === 'gzip';
    const report = await importLines(tenant, linesOf(gzipped ? request.pipe(createGunzip()) : request));
    if (report.badLines === 0) {
      response.json({ status: 'success', data: report });
      return;
    }
    const { line, message } = report.errors[0]!;
    const others = report.badLines === 1 ? '' : ` (and ${report.badLines - 1} more lines)`;
    const error = `cannot use line ${line}: ${message}${others}; the other lines were stored`;
    response.status(400).json({ status: 'error', errorType: 'bad_data', error, data: report });
  });
}

/** @throws {ImportTooLargeError} If a line or the whole is over its limit. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const utf8 = new TextDecoder();
  let bytes = 0;
  let rest = '';
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES)
      throw new ImportTooLargeError(`cannot import more than ${MAX_BODY_BYTES} bytes at once`);
    const lines = (rest + utf8.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_LINE_BYTES)
      throw new ImportTooLargeError(`cannot import a line over ${MAX_LINE_BYTES} bytes`);
    yield* lines;
  }
  if (rest !== '') yield rest;
}
