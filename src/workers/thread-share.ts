/** What forecasters, jobs and training share: so many threads may be busy at once, more only as ADR 0005 says. */
export interface ThreadShare {
  readonly most: number;
  /** Forecasters and training never wait. @returns What is called at the end, once. */
  begin(): () => void;
  /**
   * A job begins where fewer than `most` threads are busy; one may always, so that jobs wait but not for ever.
   * @returns What is called at the end, once; undefined: not now.
   */
  beginJob(): (() => void) | undefined;
  /** Called whenever a thread is busy no longer. */
  onFree(listener: () => void): void;
}

/** @param cores One of them is left to the requests and the loops. */
export function threadShare(cores: number): ThreadShare {
  const most = Math.max(1, Math.floor(cores) - 1);
  const listeners: (() => void)[] = [];
  let busy = 0;
  let jobs = 0;

  function begin(job: 0 | 1): () => void {
    busy++;
    jobs += job;
    return () => {
      busy--;
      jobs -= job;
      for (const listener of listeners) listener();
    };
  }

  return {
    most,
    begin: () => begin(0),
    beginJob: () => (jobs > 0 && busy >= most ? undefined : begin(1)),
    onFree: (listener) => void listeners.push(listener),
  };
}
