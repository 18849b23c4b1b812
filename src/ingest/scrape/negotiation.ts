import { isUtf8 } from 'node:buffer';
import type { ScrapeProtocol } from '../../model/scrape-job.ts';
import { ExpositionError } from '../../wire/errors.ts';
import type { ExpositionSink, SeenFamilies } from '../../wire/exposition.ts';
import { readExpositionText } from '../../wire/exposition-text.ts';
import { readMetricFamilies } from '../../wire/metric-families.ts';
import { OPEN_METRICS } from '../../wire/open-metrics.ts';
import type { SeenLines } from '../../wire/seen-lines.ts';
import { TEXT_FORMAT } from '../../wire/text-format.ts';
import { ScrapeError } from './errors.ts';

export type ExpositionKind = 'text' | 'openmetrics' | 'protobuf';

const MEDIA_TYPES: Readonly<Record<ScrapeProtocol, string>> = {
  PrometheusProto: 'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited',
  'OpenMetricsText1.0.0': 'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8',
  'OpenMetricsText0.0.1': 'application/openmetrics-text;version=0.0.1',
  'PrometheusText1.0.0': 'text/plain;version=1.0.0;escaping=allow-utf-8',
  'PrometheusText0.0.4': 'text/plain;version=0.0.4',
};

const KINDS: Readonly<Record<ScrapeProtocol, ExpositionKind>> = {
  PrometheusProto: 'protobuf',
  'OpenMetricsText1.0.0': 'openmetrics',
  'OpenMetricsText0.0.1': 'openmetrics',
  'PrometheusText1.0.0': 'text',
  'PrometheusText0.0.4': 'text',
};

const OF_MEDIA_TYPE = new Map<string, ExpositionKind>([
  ['text/plain', 'text'],
  ['application/openmetrics-text', 'openmetrics'],
  ['application/vnd.google.protobuf', 'protobuf'],
]);

/** The Accept header that asks for these formats, the most wanted first. */
export function acceptHeader(protocols: readonly ScrapeProtocol[]): string {
  const wanted = protocols.map((protocol, i) => `${MEDIA_TYPES[protocol]};q=0.${protocols.length + 1 - i}`);
  return [...wanted, '*/*;q=0.1'].join(',');
}

/**
 * What an answer is, by its Content-Type.
 * @throws {ScrapeError} If it says nothing that is known, and the job has no fallback.
 */
export function expositionKind(contentType: string | undefined, fallback: ScrapeProtocol | undefined): ExpositionKind {
  const mediaType = (contentType ?? '').split(';', 1)[0]!.trim().toLowerCase();
  const kind = OF_MEDIA_TYPE.get(mediaType);
  if (kind !== undefined) return kind;
  if (fallback !== undefined) return KINDS[fallback];
  const got = contentType === undefined ? 'no Content-Type' : `the Content-Type ${JSON.stringify(contentType)}`;
  throw new ScrapeError(
    'content_type',
    `the target answers with ${got}: set fallback_scrape_protocol to read it anyway`,
  );
}

/** What was seen of a target, by the formats in which it may expose. */
export interface SeenOfTarget {
  readonly lines: SeenLines;
  readonly families: SeenFamilies;
}

/** @throws {ExpositionError} */
export function readExposition(
  body: Buffer,
  kind: ExpositionKind,
  { lines, families }: SeenOfTarget,
  sink: ExpositionSink,
): void {
  if (kind === 'protobuf') {
    readMetricFamilies(body, families, sink);
    return;
  }
  if (!isUtf8(body)) throw new ExpositionError('the text is not valid UTF-8');
  readExpositionText(body, kind === 'openmetrics' ? OPEN_METRICS : TEXT_FORMAT, lines, sink);
}
