import { MINUTE, SECOND } from '../model/time.ts';
import { ServerError } from './client.ts';

/** What the server says of its snapshots. */
export interface SnapshotState {
  readonly running?: { readonly name: string; readonly bytes: number; readonly summedBytes: number };
  readonly last?: { readonly name: string; readonly error?: string };
}

export interface AwaitSnapshotDeps {
  /** Has one taken. Resolves with its name once it is durable, however long that takes. */
  readonly take: () => Promise<string>;
  /** Undefined where the server cannot tell. */
  readonly state: () => Promise<SnapshotState | undefined>;
  readonly sleep: (ms: number) => Promise<void>;
  /** Told while one is being taken. */
  readonly onProgress: (running: NonNullable<SnapshotState['running']>) => void;
}

const ASKED_EVERY_MS = 2 * SECOND;
/** A server that is at it moves on in less. */
const PATIENCE_MS = 10 * MINUTE;

/**
 * Has the server take a snapshot, and waits for as long as it makes progress: a connection that ends in between, as some
 * proxies and `fetch` itself have it after minutes, does not end the waiting.
 *
 * @returns The snapshot's name.
 * @throws {ServerError} If it cannot be taken, or nothing moved for ten minutes.
 */
export async function awaitSnapshot({ take, state, sleep, onProgress }: AwaitSnapshotDeps): Promise<string> {
  const before = await state();
  let name: string | undefined;
  let failure: unknown;
  const asked = take().then(
    (taken) => {
      name = taken;
    },
    (error: unknown) => {
      failure = error;
    },
  );
  let seen = '';
  let stillMs = 0;
  for (;;) {
    await (failure === undefined ? Promise.race([asked, sleep(ASKED_EVERY_MS)]) : sleep(ASKED_EVERY_MS));
    if (name !== undefined) return name;
    if (failure !== undefined && (before === undefined || !isLost(failure))) throw failure;
    // A server that does not answer now may be busy, or on its way back.
    const now = await state().catch((error: unknown) => {
      if (isLost(error)) return undefined;
      throw error;
    });
    if (now?.running !== undefined) onProgress(now.running);
    else if (now !== undefined && failure !== undefined) {
      const { last } = now;
      // It was lost before it began, or with the process that took it.
      if (last === undefined || last.name === before?.last?.name) throw failure;
      if (last.error === undefined) return last.name;
      throw new ServerError(last.error, 0);
    }
    const shown = JSON.stringify(now?.running ?? '');
    stillMs = shown === seen ? stillMs + ASKED_EVERY_MS : 0;
    seen = shown;
    if (stillMs < PATIENCE_MS || before === undefined) continue;
    const why = `nothing moved for ${PATIENCE_MS / MINUTE} minutes; where it ends yet, it is in snapshots/ of the data folder`;
    throw new ServerError(`cannot wait for the snapshot: ${why}`, 0);
  }
}

/** The connection ended, and what was asked for may go on. */
function isLost(error: unknown): boolean {
  return error instanceof ServerError && [0, 408, 502, 504].includes(error.status);
}
