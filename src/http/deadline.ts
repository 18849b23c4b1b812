import type { Response } from 'express';
import { formatDuration } from '../model/time.ts';
import { QueryCanceledError, QueryTimeoutError } from './errors.ts';

/** Runs a query until it is done, its time is up, or its client is gone. */
export async function withDeadline<T>(
  response: Response,
  timeoutMs: number,
  action: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const gone = new AbortController();
  const onClose = () => gone.abort();
  response.on('close', onClose);
  const timeout = AbortSignal.timeout(Math.max(1, timeoutMs));
  try {
    return await action(AbortSignal.any([gone.signal, timeout]));
  } catch (error) {
    if (gone.signal.aborted) throw new QueryCanceledError('the client went away before the answer', { cause: error });
    if (timeout.aborted) {
      throw new QueryTimeoutError(`query timed out after ${formatDuration(timeoutMs)}`, { cause: error });
    }
    throw error;
  } finally {
    response.off('close', onClose);
  }
}
