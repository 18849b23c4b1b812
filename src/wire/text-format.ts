import type { FamilyFact } from './exposition.ts';
import { type ExpositionScanner, isBlank, QUOTE, unescaped } from './exposition-scanner.ts';
import type { Dialect } from './exposition-text.ts';

const TYPES = new Map([
  ['counter', 'counter'],
  ['gauge', 'gauge'],
  ['histogram', 'histogram'],
  ['summary', 'summary'],
  ['untyped', 'unknown'],
]);

/** Prometheus's text format 0.0.4 (and 1.0.0): what Prometheus 3 takes, to the letter. */
export const TEXT_FORMAT: Dialect = {
  isOpenMetrics: false,
  comment: (scan) => factOf(scan) ?? 'nothing',
  rest(scan, series, sink) {
    scan.blanks();
    const value = scan.number();
    scan.blanks();
    let time = Number.NaN;
    if (!scan.isAtEnd) {
      time = timestamp(scan);
      scan.blanks();
      if (!scan.isAtEnd) throw scan.expected('the end of the line');
    }
    sink.sample(series, value, time);
  },
};

function timestamp(scan: ExpositionScanner): number {
  const found = /^-?\d+(?=[ \t]|$)/.exec(scan.body.slice(scan.at, scan.at + 30));
  if (found === null) throw scan.expected('a time in milliseconds');
  scan.at += found[0].length;
  return Number(found[0]);
}

/** Undefined: a comment that says nothing to machines. */
function factOf(scan: ExpositionScanner): FamilyFact | undefined {
  scan.at++;
  if (!isBlank(scan.code())) return undefined;
  scan.blanks();
  const word = scan.body.slice(scan.at, scan.at + 4);
  if ((word !== 'HELP' && word !== 'TYPE') || !isBlank(scan.body.charCodeAt(scan.at + 4))) return undefined;
  scan.at += 4;
  scan.blanks();
  const metric = scan.code() === QUOTE ? scan.quoted() : scan.name();
  if (metric === '') throw scan.expected(`the name of a metric after ${word}`);
  scan.blanks();
  const text = scan.rest();
  if (word === 'HELP') return { kind: 'help', metric, text: unescaped(text) };
  const type = TYPES.get(text);
  if (type === undefined) throw scan.expected('the type counter, gauge, histogram, summary or untyped');
  return { kind: 'type', metric, text: type };
}
