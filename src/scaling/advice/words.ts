/** Numbers as advice tells them. */

export function formatShare(ratio: number): string {
  const percent = 100 * ratio;
  return `${Number(percent.toFixed(Math.abs(percent) < 10 ? 1 : 0))} %`;
}

export function formatMinutes(minutes: number): string {
  const shown = Number(minutes.toFixed(minutes < 10 ? 1 : 0));
  return shown === 1 ? '1 minute' : `${shown} minutes`;
}

/** `12.5 pod-hours more`. */
export function signedHours(hours: number): string {
  const shown = Number(Math.abs(hours).toFixed(1));
  if (shown === 0) return 'as many pod-hours';
  return `${shown} pod-hours ${hours > 0 ? 'more' : 'less'}`;
}

/** As a manifest has it: `250m`, `1.2Gi`. */
export function formatAmount(resource: 'cpu' | 'memory', amount: number): string {
  if (resource === 'cpu') return `${Math.ceil(amount * 1000 - 1e-6)}m`;
  const mebibytes = amount / 1024 ** 2;
  return mebibytes < 1024 ? `${Math.ceil(mebibytes - 1e-6)}Mi` : `${Number((mebibytes / 1024).toFixed(2))}Gi`;
}
