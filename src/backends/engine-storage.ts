import type { TenantId } from '../model/tenant.ts';
import type { Storage } from '../storage/storage.ts';
import type { Letter } from './letter.ts';

/** Samples in an engine of somebody else's: nothing is kept here but what waits in a queue. */
export interface EngineStorage extends Storage {
  /** For what others send, again and again, with the same labels: references stay good until there are too many. */
  readonly receiver: Pick<Storage, 'tenant'>;
  /** Takes a letter of the queue to the engine, whose labels are complete. */
  readonly deliver: (tenant: TenantId, letter: Letter) => Promise<void>;
  /** What was wrong when the engine was last written to, or asked: a sentence each. */
  problems(): readonly string[];
  /** Writes nothing and asks for nothing, so that `problems` tells of a wrong address before anybody needs it. */
  probe(signal?: AbortSignal): Promise<void>;
}
