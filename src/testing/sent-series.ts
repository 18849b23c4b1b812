import type { Label } from '../model/labels.ts';
import { loadCore } from '../tsdb/core.ts';
import { CoreMemory } from '../wire/core-memory.ts';
import { sentLabels } from '../wire/part-lists.ts';
import { WriteBody } from '../wire/write-body.ts';

export interface SentSeries {
  readonly labels: readonly Label[];
  readonly times: Float64Array;
  readonly values: Float64Array;
}

/** Reads what remote write 1.0 requests carry, as our receiver does. */
export async function openSentReader(): Promise<(block: Uint8Array) => readonly SentSeries[]> {
  const memory = new CoreMemory(await loadCore());
  return (block) => {
    using body = WriteBody.decode(memory, [block], { protocol: '1.0', maxBytes: 64 << 20 });
    const all: SentSeries[] = [];
    const limits = { maxNames: 256, maxNameBytes: 1e6, maxValueBytes: 1e6 };
    for (let next = 0; next < body.length; ) {
      const part = body.read(undefined, limits, next);
      for (const { sent, firstSample, endSample } of part.unseen) {
        const [times, values] = [part.times.slice(firstSample, endSample), part.values.slice(firstSample, endSample)];
        all.push({ labels: sentLabels(sent), times, values });
      }
      next = part.next;
    }
    return all;
  };
}
