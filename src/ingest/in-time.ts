/**
 * A promise's value, or an error where it takes longer than `ms`. What comes too late is disposed of.
 * @param late Makes the error.
 */
export function inTime<T extends Disposable>(promise: Promise<T>, ms: number, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      reject(late());
    }, ms);
    promise.then(
      (value) => {
        clearTimeout(timer);
        if (isLate) value[Symbol.dispose]();
        else resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
