/** `USD 1,234.50`: the code before the amount reads the same everywhere. */
export function money(amount: number, { currency, digits }: { readonly currency: string; readonly digits: number }) {
  return `${currency} ${plainMoney(amount, digits)}`;
}

export function plainMoney(amount: number, digits: number): string {
  return amount.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** `+12.5 %`; a dash where there is nothing to compare with. */
export function changeOf(now: number, before: number | null): string {
  if (before === null || before === 0) return '–';
  return signedPercent(now / before - 1);
}

export function signedPercent(ratio: number): string {
  const percent = (100 * ratio).toFixed(1);
  return `${Number(percent) > 0 ? '+' : ''}${percent} %`;
}

export function hoursText(hours: number): string {
  return hours.toLocaleString('en-US', { maximumFractionDigits: 1 });
}
