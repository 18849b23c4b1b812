import { compareLabels } from '../model/labels.ts';
import { TooManySamplesError } from '../storage/errors.ts';
import type { AttachmentReader } from '../storage/storage.ts';
import type { Head } from './head.ts';
import type { TenantHead } from './tenant-head.ts';

/** Reads one tenant's exemplars, histograms and start times. `tenant` is asked each time, as by `readerOf`. */
export function attachmentReaderOf(head: Head, tenant: () => TenantHead | undefined): AttachmentReader {
  return {
    async exemplars(matcherSets, range) {
      const found = tenant();
      if (found === undefined) return [];
      const { id, series: all, attachments } = found;
      const floors = head.floorsOf(id);
      if (matcherSets.length === 0) return [];
      return all
        .selectAny(matcherSets)
        .flatMap(({ ref, labels, retention }) => {
          const exemplars = attachments.exemplarsIn(ref, range, floors[retention]);
          if (exemplars.length === 0) return [];
          return [
            { labels, exemplars: exemplars.map(({ time, value, labels: own }) => ({ time, value, labels: own })) },
          ];
        })
        .sort((a, b) => compareLabels(a.labels, b.labels));
    },
    async histograms(matchers, range, { maxSamples = Number.POSITIVE_INFINITY, signal } = {}) {
      signal?.throwIfAborted();
      const found = tenant();
      if (!found?.attachments.hasHistograms) return [];
      const floors = head.floorsOf(found.id);
      let samples = 0;
      return found.series
        .select(matchers)
        .flatMap(({ ref, labels, retention }) => {
          const histograms = found.attachments.histogramsIn(ref, range, floors[retention]);
          samples += histograms.length;
          if (samples > maxSamples) throw new TooManySamplesError(maxSamples);
          if (histograms.length === 0) return [];
          return [{ labels, histograms: histograms.map(({ time, start, bytes }) => ({ time, start, bytes })) }];
        })
        .sort((a, b) => compareLabels(a.labels, b.labels));
    },
    async starts(matchers, { start, end }) {
      const found = tenant();
      if (!found?.attachments.hasStarts) return [];
      const floors = head.floorsOf(found.id);
      return found.series
        .select(matchers)
        .flatMap(({ ref, labels, retention }) => {
          const starts = found.attachments.startsOf(ref)?.within(Math.max(start, floors[retention]), end);
          return starts === undefined || starts.times.length === 0 ? [] : [{ labels, ...starts }];
        })
        .sort((a, b) => compareLabels(a.labels, b.labels));
    },
  };
}
