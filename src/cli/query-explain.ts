/** What a server says of a query with `stats=all`. Prometheus has no selectors. */
export interface QueryStats {
  readonly timings: {
    readonly queryPreparationTime: number;
    readonly innerEvalTime: number;
    readonly execQueueTime: number;
    readonly execTotalTime: number;
  };
  readonly samples: { readonly totalQueryableSamples: number };
  readonly selectors?: readonly {
    readonly selector: string;
    readonly series: number;
    readonly samples: number;
    readonly seconds: number;
  }[];
}

/** What a query selected and where its time went, line by line. */
export function renderExplanation(stats: QueryStats | undefined): string {
  if (stats === undefined) return 'the server does not tell what the query did\n';
  const { timings, samples, selectors } = stats;
  const rows = (selectors ?? []).map(({ selector, ...of }) => [
    selector,
    count(of.series),
    count(of.samples),
    ms(of.seconds),
  ]);
  const head = ['SELECTED', 'SERIES', 'SAMPLES', 'TIME'];
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => row[i]!.length)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
  const table = rows.length === 0 ? ['no series are selected'] : [head, ...rows].map(line);
  const { execQueueTime, queryPreparationTime, innerEvalTime, execTotalTime } = timings;
  return `${[
    ...table,
    '',
    `waited for its turn  ${ms(execQueueTime)}`,
    `selected samples     ${ms(queryPreparationTime)}`,
    `evaluated            ${ms(innerEvalTime)}`,
    `in all               ${ms(execTotalTime)}, ${count(samples.totalQueryableSamples)} samples`,
  ].join('\n')}\n`;
}

function ms(seconds: number): string {
  return `${(seconds * 1000).toFixed(1)} ms`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
