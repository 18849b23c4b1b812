const ALPHANUMERIC = /^\w$/;

/**
 * The number or duration at a place of a query that begins with a digit or a point, as Prometheus's lexer takes it: where
 * it is neither, `end` is how far it was read, which is what the error shows. A number may still have no value.
 */
export function scanNumeric(
  query: string,
  start: number,
): { readonly kind: 'number' | 'duration' | undefined; readonly end: number } {
  const number = scanNumber(query, start);
  if (number.sound) return { kind: 'number', end: number.end };
  return scanDuration(query, number.end);
}

function scanNumber(query: string, start: number): { readonly sound: boolean; readonly end: number } {
  let at = start;
  const is = (set: string) => at < query.length && set.includes(query[at]!);
  const accept = (set: string) => is(set) && ++at > 0;
  let digits = '0123456789';
  if (accept('0') && accept('xX')) {
    accept('_');
    digits = '0123456789abcdefABCDEF';
  }
  const isHex = digits.length > 10;
  let points = 0;
  let exponents = 0;
  accept('.');
  accept(digits);
  while (is(`${digits}._eE`)) {
    if (is('.') && points > 0) return { sound: false, end: at + 1 };
    // A hexadecimal digit goes before an exponent.
    if (is('eE') && exponents > 0) return { sound: false, end: at + 1 };
    if (accept('.')) {
      points++;
      if (accept('_.') || isHex) return { sound: false, end: at };
    } else if (accept('eE')) {
      exponents++;
      accept('+-');
      if (accept('._eE') || at === query.length) return { sound: false, end: at };
    } else if (accept('_')) {
      if (accept('._eE') || at === query.length) return { sound: false, end: at };
    } else {
      while (accept(digits));
    }
  }
  return { sound: !isAlphanumeric(query[at]), end: at };
}

/** @param start After the first digits. */
function scanDuration(query: string, start: number): { readonly kind: 'duration' | undefined; readonly end: number } {
  let at = start;
  const accept = (set: string) => at < query.length && set.includes(query[at]!) && ++at > 0;
  if (!accept('smhdwy')) return { kind: undefined, end: at };
  accept('s');
  while (accept('0123456789')) {
    while (accept('0123456789'));
    if (!accept('smhdw')) return { kind: undefined, end: at };
    accept('s');
  }
  return isAlphanumeric(query[at]) ? { kind: undefined, end: at + 1 } : { kind: 'duration', end: at };
}

function isAlphanumeric(char: string | undefined): boolean {
  return char !== undefined && ALPHANUMERIC.test(char);
}
