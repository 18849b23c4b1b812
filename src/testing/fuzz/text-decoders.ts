import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSeries } from '../../cli/csv.ts';
import { withoutUnsupported } from '../../config/prometheus-file.ts';
import { PrometheusFile } from '../../config/scrape-schema.ts';
import { parseImportLine } from '../../ingest/import.ts';
import { compileRelabel, RELABEL_DEFAULTS } from '../../model/relabel.ts';
import { parseQuery } from '../../promql/parse.ts';
import { parseSeriesSelector } from '../../promql/parse-series-selector.ts';
import { readInfluxLines } from '../../wire/influx-line.ts';
import { decodeOtlpJson } from '../../wire/otlp-json.ts';
import type { FuzzedDecoder } from './fuzz.ts';
import { LINE_BODIES, NUMBERS, OTLP_DOCUMENT } from './seed-bodies.ts';

const UTF8 = new TextEncoder();
const encoded = (texts: readonly string[]) => texts.map((text) => UTF8.encode(text));
/** As bodies become texts: what is not UTF-8 is replaced. */
const textOf = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
const JSON_WORDS = [
  'null',
  'true',
  '{}',
  '[]',
  '""',
  '"asInt"',
  '1e400',
  '"18446744073709551615"',
  '[[[[',
  '{"a":{"a":',
];

const SCRAPE_CONFIG = {
  job_name: 'api',
  scrape_interval: '15s',
  metrics_path: '/metrics',
  static_configs: [{ targets: ['a:80', 'b:80'], labels: { x: 'y' } }],
  relabel_configs: [
    { source_labels: ['__address__'], regex: '(.*):(\\d+)', target_label: 'host', replacement: '$1' },
    { action: 'labelmap', regex: '__meta_(.+)' },
    { action: 'hashmod', source_labels: ['x'], modulus: 8, target_label: 'shard' },
    { action: 'drop', source_labels: ['x'], regex: '(a|b)+' },
  ],
};

/** What reads texts. */
export function textDecoders(): readonly FuzzedDecoder[] {
  return [
    {
      name: 'OTLP JSON',
      bodies: encoded([
        JSON.stringify(OTLP_DOCUMENT),
        JSON.stringify({ resourceMetrics: OTLP_DOCUMENT.resourceMetrics.slice(1) }),
      ]),
      words: JSON_WORDS,
      decode: (bytes) => decodeOtlpJson(bytes),
    },
    {
      name: 'line protocol',
      bodies: encoded(LINE_BODIES),
      words: [...NUMBERS, ',', '=', '\\', '"', 'i', 'u', 't', '\n#', ' 9223372036854775807'],
      decode: (bytes) => [...readInfluxLines(textOf(bytes), 'ns')],
    },
    {
      name: 'import lines',
      bodies: encoded([
        '{"metric":{"__name__":"up","job":"a"},"values":[1,null,"Infinity"],"timestamps":[1700000000000,1700000015000,1]}',
        '{"metric":{"__name__":"x"},"values":[],"timestamps":[]}',
      ]),
      words: [...JSON_WORDS, '"__name__"', '"values"', '"timestamps"'],
      decode: (bytes) => parseImportLine(textOf(bytes)),
      refuses: (error) => error instanceof RangeError || error instanceof SyntaxError,
    },
    csv(),
    {
      name: 'PromQL',
      bodies: encoded([
        'sum by (job) (rate(http_requests_total{job=~"a|b",x!=""}[5m] offset 1h)) / on (job) group_left (y) up > bool 1.5e3',
        'histogram_quantile(0.9, -x{a="\\u00e9\'"}[1h:5m] @ start()) or topk(3, {"quoted", b!~"c"}) ^ 2 ^ -1',
        "label_replace(up, `a`, '$1', \"b\", '(.*)') unless ignoring (z) absent(x @ 1700000000.5)",
      ]),
      words: ['by', 'offset', '[5m]', '@', '0x1F', '1d2h', '==', '=~', 'Inf', '{', '}', '((', '-', 'bool', 'on()', '`'],
      decode: (bytes) => parseQuery(textOf(bytes)),
    },
    {
      name: 'selectors',
      bodies: encoded(['up{job="a",x=~"b.*",y!="",z!~"(a|b){2,3}"}', '{__name__="x"}', '{"a.b", c="d"}']),
      words: ['=~', '!~', '(a+)+', '[', ']', '{1,1000}', '"', ',', '\\d'],
      decode: (bytes) => parseSeriesSelector(textOf(bytes)),
    },
    {
      name: 'scrape configuration',
      bodies: encoded([JSON.stringify({ scrape_configs: [SCRAPE_CONFIG] })]),
      words: [
        ...JSON_WORDS,
        '(a+)+$',
        '[^',
        '\\\\p{L}',
        '{1,999}',
        '"labeldrop"',
        '"keepequal"',
        '$1',
        '${x',
        '"15y"',
        '"9e9"',
      ],
      refuses: (error) => error instanceof SyntaxError,
      decode: (bytes) => configure(textOf(bytes)),
    },
  ];
}

/** Checks it as the settings do, and relabels with what is right. */
function configure(text: string): unknown {
  const { value } = withoutUnsupported(JSON.parse(text));
  const parsed = PrometheusFile.safeParse(value);
  if (!parsed.success) return parsed.error.issues.map(({ message }) => message);
  return parsed.data.scrape_configs.map(({ relabel_configs: rules }) => {
    const relabel = compileRelabel(
      rules.map(({ action, source_labels: sourceLabels, target_label: targetLabel, ...rule }) => ({
        action,
        sourceLabels,
        targetLabel,
        separator: String(rule.separator),
        regex: String(rule.regex),
        replacement: String(rule.replacement),
        modulus: rule.modulus ?? RELABEL_DEFAULTS.modulus,
      })),
      (bytes) => createHash('md5').update(bytes).digest(),
    );
    const labels = new Map([
      ['__address__', 'a:80'],
      ['x', 'aaaa'],
      ['__meta_y', 'z'],
    ]);
    return [relabel(labels), [...labels]];
  });
}

/** Commands read files. */
function csv(): FuzzedDecoder {
  let folder: string | undefined;
  return {
    name: 'CSV',
    bodies: encoded([
      'timestamp,value\n2026-01-01T00:00:00Z,1.5\n2026-01-01T00:05:00Z,\n1767226200,NaN\n',
      'series,timestamp,value,extra\n"a,""b""",1767226200.5,1e3,x\nb,1767226500,2,\n',
    ]),
    words: [...NUMBERS, '"', '""', ',', '\r\n', 'timestamp', '2026-13-45', '\ufeff'],
    async decode(bytes) {
      folder ??= mkdtempSync(join(tmpdir(), 'foresail-fuzz-'));
      const path = join(folder, 'input.csv');
      writeFileSync(path, bytes);
      return await loadSeries(path);
    },
    verify() {
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
      folder = undefined;
    },
  };
}
