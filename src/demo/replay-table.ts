/** One row of the what-if table: what would have happened in the past under one strategy. */
export interface ReplayRow {
  readonly namespace: string;
  readonly policy: string;
  readonly strategy: string;
  readonly minutesOverCapacity: number;
  readonly overCapacityRatio: number;
  /** Demand that no replica carried, in the demand's unit times minutes. */
  readonly unmetDemand: number;
  readonly podHours: number;
}

const HEADER = ['', 'minutes over capacity', '', 'unmet demand', 'pod-hours'];

/** The table as text: a block for each workload, numbers right-aligned. */
export function formatReplayTable(rows: readonly ReplayRow[]): string {
  const lines: string[][] = [];
  let workload = '';
  for (const row of rows) {
    const name = `${row.namespace}/${row.policy}`;
    if (name !== workload) lines.push([name, '', '', '', '']);
    workload = name;
    lines.push([
      `  ${row.strategy}`,
      row.minutesOverCapacity.toFixed(0),
      `${(100 * row.overCapacityRatio).toFixed(2)} %`,
      row.unmetDemand.toFixed(0),
      row.podHours.toFixed(0),
    ]);
  }
  const widths = HEADER.map((title, i) => Math.max(title.length, ...lines.map((line) => line[i]!.length)));
  return [HEADER, ...lines]
    .map((line) =>
      line
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
