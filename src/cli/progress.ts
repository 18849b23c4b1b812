/** What the user said of progress: nothing, `--progress` or `--no-progress`. */
export type ProgressWish = boolean | undefined;

const BAR = 24;

/**
 * Says on standard error how far long work is: a bar where that is a terminal, lines where it is not and progress was
 * asked for, else nothing. Not before the first second, and lines at most once in two.
 */
export function progressOf(what: string, total: number, wish: ProgressWish): (done: number) => void {
  const onTerminal = process.stderr.isTTY === true;
  if (wish === false || (!onTerminal && wish !== true)) return () => {};
  const pauseMs = onTerminal ? 100 : 2000;
  const began = performance.now();
  let spoke = began;
  let drawn = false;
  return (done) => {
    const now = performance.now();
    const last = done === total;
    if (onTerminal && now - began < 1000) return;
    if (now - spoke < pauseMs && !(last && drawn)) return;
    spoke = now;
    drawn = true;
    const words = `${what}: ${done} of ${total} (${Math.floor((100 * done) / total)} %)`;
    if (!onTerminal) console.error(words);
    else
      process.stderr.write(
        last ? '\r\u001b[K' : `\r${barOf(done / total)} ${words}${leftOf(began, now, done, total)}\u001b[K`,
      );
  };
}

function barOf(share: number): string {
  const full = Math.floor(share * BAR);
  return `[${'#'.repeat(full)}${'.'.repeat(BAR - full)}]`;
}

function leftOf(began: number, now: number, done: number, total: number): string {
  if (done === 0) return '';
  const seconds = ((now - began) / 1000) * (total / done - 1);
  return seconds < 90 ? `, ${Math.ceil(seconds)} s left` : `, ${Math.ceil(seconds / 60)} min left`;
}
