import { decodeLabels, type Label, type Labels, labelValue } from '../model/labels.ts';
import { type Attachments, OUTCOME, type RefAnswer, type SeriesWriter, type WriteBatch } from '../storage/write.ts';
import { type KnownSeries, openKnownSeries } from './known-series.ts';
import { itemsOf, type Letter } from './letter.ts';

/** Takes what was collected; resolves once it is where it is to be. */
export type SendLetter = (letter: Letter) => Promise<void>;

export interface PendingWriterOptions {
  /** A label that every series gets. One that carries it with another value is refused. */
  readonly enforced?: Label | undefined;
  /** Default: one of this writer alone. */
  readonly known?: Pick<KnownSeries, 'add' | 'at'>;
  /** Whether there is a place for exemplars and native histograms. Default: there is none. */
  readonly takesAttachments?: boolean;
  /** Whether a metric's name is a must. Default: it is not. */
  readonly named?: boolean;
}

interface Collected extends Letter {
  readonly series: Letter['series'][number][];
  readonly exemplars: Letter['exemplars'][number][];
  readonly histograms: Letter['histograms'][number][];
  readonly metadata: Letter['metadata'][number][];
}

const nothing = (): Collected => ({ series: [], exemplars: [], histograms: [], metadata: [] });

/**
 * Collects what is written until `commit`, which sends it. References are those of `known`. What could not be
 * sent is given up with the error, for whoever wrote it to write it again: nothing of it was promised.
 */
export function pendingWriter(send: SendLetter, options: PendingWriterOptions = {}): SeriesWriter {
  const { enforced, known = openKnownSeries(), takesAttachments = false, named = false } = options;
  let collected = nothing();
  const underWay = new Set<Promise<void>>();

  function answerTo(bytes: Uint8Array): RefAnswer {
    const labels = decodeLabels(bytes);
    if (named && labelValue(labels, '__name__') === '') {
      return { kind: 'refused', id: 'missing_name', message: 'the engine keeps nothing without a metric name' };
    }
    if (enforced === undefined) return { kind: 'ref', ref: known.add(labels) };
    const [name, value] = enforced;
    const own = labelValue(labels, name);
    if (own !== '' && own !== value) {
      const message = `the label ${name} tells tenants apart here and cannot be ${JSON.stringify(own)}`;
      return { kind: 'refused', id: 'tenant_label', message };
    }
    return { kind: 'ref', ref: known.add(withLabel(labels, enforced)) };
  }

  /** Puts what has a series behind the others; what has none is gone. */
  function attach<T extends { readonly ref: number }, P>(
    all: readonly T[],
    to: P[],
    placed: (of: Labels, each: T) => P,
  ) {
    if (!takesAttachments) return new Uint8Array(all.length).fill(OUTCOME.unsupported);
    return Uint8Array.from(all, (each) => {
      const of = known.at(each.ref);
      if (of === undefined) return OUTCOME.gone;
      to.push(placed(of, each));
      return OUTCOME.appended;
    });
  }

  return {
    ref: async (labelSets) => labelSets.map(answerTo),
    async write({ refs, times, values }: WriteBatch) {
      const outcomes = new Uint8Array(refs.length);
      for (let from = 0; from < refs.length; ) {
        let end = from + 1;
        while (end < refs.length && refs[end] === refs[from]) end++;
        const labels = known.at(refs[from]!);
        // As memory: a staleness marker must not pass through a number.
        if (labels !== undefined) {
          collected.series.push({ labels, times: times.slice(from, end), values: values.slice(from, end) });
        }
        outcomes.fill(labels === undefined ? OUTCOME.gone : OUTCOME.appended, from, end);
        from = end;
      }
      return outcomes;
    },
    async attach({ exemplars, histograms }: Attachments) {
      return {
        exemplars: attach(exemplars, collected.exemplars, (series, { time, value, labels }) => {
          return { series, time, value, labels };
        }),
        histograms: attach(histograms, collected.histograms, (series, { time, start, bytes }) => {
          return { series, time, start, bytes: bytes.slice() };
        }),
      };
    },
    async describe(described) {
      collected.metadata.push(...described);
    },
    async commit() {
      if (itemsOf(collected) + collected.metadata.length > 0) {
        const sent = send(collected).finally(() => underWay.delete(sent));
        underWay.add(sent);
        collected = nothing();
      }
      await Promise.all(underWay);
    },
  };
}

/** The label set with another label, in order. */
export function withLabel(labels: Labels, label: Label): Labels {
  const others = labels.filter(([name]) => name !== label[0]);
  const at = others.findIndex(([name]) => name > label[0]);
  return at === -1 ? [...others, label] : [...others.slice(0, at), label, ...others.slice(at)];
}
