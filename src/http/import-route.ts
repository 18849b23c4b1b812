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
class ImportTooLargeError extends CodedError {
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
    const report = await importLines(tenant, linesOf(bytesOf(request)));
    if (report.badLines === 0) {
      response.json({ status: 'success', data: report });
      return;
    }
    const { line, message } = report.errors[0]!;
    const others = report.badLines === 1 ? '' : ` (and ${report.badLines - 1} more lines)`;
    const error = `cannot use line ${line}: ${message}${others}; the other lines were stored, up to line ${report.lines}`;
    response.status(400).json({ status: 'error', errorType: 'bad_data', error, data: report });
  });
}

/** The body's bytes, unpacked where they came packed. To stop in the middle leaves the connection open for the answer. */
function bytesOf(request: Request): AsyncIterable<Uint8Array> {
  if (request.headers['content-encoding'] !== 'gzip') return request.iterator({ destroyOnReturn: false });
  return unpacked(request);
}

async function* unpacked(request: Request): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip();
  request.once('error', (error) => gunzip.destroy(error));
  try {
    yield* request.pipe(gunzip);
  } finally {
    // A pipe that nobody reads would hold back the rest of the body, and the answer waits for its end.
    request.unpipe(gunzip);
  }
}

/** @throws {ImportTooLargeError} If a line or the whole is over its limit. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const utf8 = new TextDecoder();
  let bytes = 0;
  // A line is put together once, when it ends: adding each chunk to a text would copy a long line again and again.
  let parts: string[] = [];
  let held = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) {
      throw new ImportTooLargeError(`cannot import more than ${MAX_BODY_BYTES} bytes at once`);
    }
    const text = utf8.decode(chunk, { stream: true });
    let from = 0;
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', from)) {
      parts.push(text.slice(from, end));
      yield parts.join('');
      parts = [];
      held = 0;
      from = end + 1;
    }
    parts.push(text.slice(from));
    held += text.length - from;
    if (held > MAX_LINE_BYTES) throw new ImportTooLargeError(`cannot import a line over ${MAX_LINE_BYTES} bytes`);
  }
  const last = parts.join('') + utf8.decode();
  if (last !== '') yield last;
}
