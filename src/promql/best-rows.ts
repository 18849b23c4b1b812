/**
 * The `count` rows with the greatest values (`topk`) or the smallest ones (`bottomk`), the best first; NaN only where
 * there are not enough others. Which of equal values stay, and in what order, is as in Prometheus for series in this
 * order: it keeps a heap of the best so far, of which the worst is replaced by what is better.
 */
export function bestRows(
  rows: readonly number[],
  count: number,
  valueAt: (row: number) => number,
  which: 'greatest' | 'smallest',
): readonly number[] {
  const sign = which === 'greatest' ? 1 : -1;
  // Worse, or not a number, whatever the other one is: Prometheus's order, of which the heap's shape depends.
  const isLess = (a: number, b: number): boolean => Number.isNaN(valueAt(a)) || sign * valueAt(a) < sign * valueAt(b);
  const heap: number[] = [];
  for (const row of rows) {
    if (heap.length < count) {
      heap.push(row);
      moveUp(heap, isLess);
      continue;
    }
    const [worst, value] = [valueAt(heap[0]!), valueAt(row)];
    if (sign * worst < sign * value || (Number.isNaN(worst) && !Number.isNaN(value))) {
      heap[0] = row;
      moveDown(heap, isLess);
    }
  }
  sortByInsertion(heap, (a, b) => isLess(b, a));
  return heap;
}

type Less = (a: number, b: number) => boolean;

function moveUp(heap: number[], isLess: Less): void {
  for (let at = heap.length - 1; at > 0; ) {
    const parent = (at - 1) >> 1;
    if (!isLess(heap[at]!, heap[parent]!)) return;
    swap(heap, at, parent);
    at = parent;
  }
}

function moveDown(heap: number[], isLess: Less): void {
  for (let at = 0; ; ) {
    const left = 2 * at + 1;
    if (left >= heap.length) return;
    const right = left + 1;
    const child = right < heap.length && isLess(heap[right]!, heap[left]!) ? right : left;
    if (!isLess(heap[child]!, heap[at]!)) return;
    swap(heap, at, child);
    at = child;
  }
}

/** Go sorts so few by insertion; more of them in a way of its own, whose order of equal ones is not followed here. */
const FEW = 12;

function sortByInsertion(rows: number[], isBefore: Less): void {
  if (rows.length > FEW) {
    rows.sort((a, b) => (isBefore(a, b) ? (isBefore(b, a) ? 0 : -1) : isBefore(b, a) ? 1 : 0));
    return;
  }
  for (let i = 1; i < rows.length; i++) {
    for (let j = i; j > 0 && isBefore(rows[j]!, rows[j - 1]!); j--) swap(rows, j, j - 1);
  }
}

function swap(rows: number[], a: number, b: number): void {
  const row = rows[a]!;
  rows[a] = rows[b]!;
  rows[b] = row;
}
