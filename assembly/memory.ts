/** Bytes for the caller, who gives them back with `release`. Traps where memory is used up. */
export function allocate(size: usize): usize {
  return heap.alloc(size);
}

export function release(address: usize): void {
  heap.free(address);
}
