import type { Label } from '../model/labels.ts';
import type { FamilyFact } from './exposition.ts';
import { type ExpositionScanner, HASH, OPEN, QUOTE, SPACE, unescaped } from './exposition-scanner.ts';
import type { Dialect } from './exposition-text.ts';

const TYPES = new Set(['counter', 'gauge', 'gaugehistogram', 'histogram', 'info', 'stateset', 'summary', 'unknown']);

/**
 * OpenMetrics 1.0 text: single blanks, times in seconds, and `# EOF` at its end.
 * Lines that end in `_created` are samples, as Prometheus has them unless told otherwise.
 */
export const OPEN_METRICS: Dialect = {
  isOpenMetrics: true,
  comment: (scan) => (scan.body === '# EOF' ? 'end' : factOf(scan)),
  rest(scan, series, sink) {
    const { value, time } = numbers(scan);
    sink.sample(series, value, time);
    if (scan.body.startsWith(' # {', scan.at)) {
      scan.at += 3;
      const labels: Label[] = [];
      scan.labels(labels, false);
      sink.exemplar(series, { labels, ...numbers(scan) });
    }
    if (!scan.isAtEnd) throw scan.expected('the end of the line');
  },
};

/** A blank and a value, then a blank and a time where there is one. */
function numbers(scan: ExpositionScanner): { readonly value: number; readonly time: number } {
  if (scan.code() !== SPACE) throw scan.expected('a blank and a number');
  scan.at++;
  const value = scan.number();
  const next = scan.body.charCodeAt(scan.at + 1);
  if (scan.code() !== SPACE || (next === HASH && scan.body.charCodeAt(scan.at + 3) === OPEN)) {
    return { value, time: Number.NaN };
  }
  scan.at++;
  const start = scan.at;
  const seconds = scan.number();
  if (Number.isFinite(seconds)) return { value, time: Math.trunc(seconds * 1000) };
  scan.at = start;
  throw scan.expected('a time in seconds');
}

function factOf(scan: ExpositionScanner): FamilyFact {
  const word = scan.body.slice(scan.at + 2, scan.at + 6);
  const known = word === 'HELP' || word === 'TYPE' || word === 'UNIT';
  if (!known || scan.body.charCodeAt(scan.at + 1) !== SPACE || scan.body.charCodeAt(scan.at + 6) !== SPACE) {
    throw scan.expected('# HELP, # TYPE, # UNIT or # EOF');
  }
  scan.at += 7;
  const metric = scan.code() === QUOTE ? scan.quoted() : scan.name();
  if (metric === '') throw scan.expected(`the name of a metric after ${word}`);
  if (scan.code() !== SPACE) throw scan.expected(`a blank and a text after ${word} ${metric}`);
  scan.at++;
  const text = scan.rest();
  if (word === 'HELP') return { kind: 'help', metric, text: unescaped(text) };
  if (word === 'TYPE') {
    if (!TYPES.has(text)) throw scan.expected(`one of the types ${[...TYPES].join(', ')}`);
    return { kind: 'type', metric, text };
  }
  if (text !== '' && !metric.endsWith(`_${text}`)) {
    throw scan.fault(`the unit ${JSON.stringify(text)} is not the end of the name ${metric}`);
  }
  return { kind: 'unit', metric, text };
}
