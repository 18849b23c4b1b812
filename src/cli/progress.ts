/** Says on stderr how far long work is, at most once in two seconds and not before the first two. */
export function progressOf(what: string, total: number): (done: number) => void {
  let spoke = performance.now();
  return (done) => {
    const now = performance.now();
    if (now - spoke < 2000) return;
    spoke = now;
    console.error(`${what}: ${done} of ${total} (${Math.floor((100 * done) / total)} %)`);
  };
}
