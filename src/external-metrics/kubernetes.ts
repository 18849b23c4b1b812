/** Asks the Kubernetes API one thing. Resolves to whatever status it answered with; rejects where there was no answer. */
export type AskKubernetes = (call: KubernetesCall, signal?: AbortSignal) => Promise<KubernetesAnswer>;

export interface KubernetesCall {
  readonly method: 'GET' | 'POST' | 'PATCH';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly contentType?: string;
  readonly body?: unknown;
}

export interface KubernetesAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** The `message` of a Status object, or the bare status where the body has none. */
export function messageOf({ status, body }: KubernetesAnswer): string {
  const message = (body as { message?: unknown } | null)?.message;
  return typeof message === 'string' && message !== '' ? message : `the API server answered ${status}`;
}
