import { MINUTE, type Millis, SECOND } from '../model/time.ts';
import { openAnswerCache } from './answer-cache.ts';
import type { Identity } from './identity.ts';
import { type AskKubernetes, messageOf } from './kubernetes.ts';
import { type Answer, failure } from './status.ts';

/** What somebody wants to do here. */
export type Action =
  | { readonly kind: 'metric'; readonly namespace: string; readonly metric: string }
  | { readonly kind: 'path'; readonly path: string };

export interface AuthorizeDeps {
  readonly ask: AskKubernetes;
  readonly now: () => Millis;
}

interface Verdict {
  readonly allowed: boolean;
  readonly reason: string;
}

/** As the API server's own library has it. */
const FRESH_MS = 10 * SECOND;
/**
 * A permission is served for so long while it is asked anew: the HPA controller asks every 15 s, and would otherwise wait
 * for the API server each time. The API server itself trusts a webhook's permission for five minutes.
 */
const PERMISSION_SERVED_MS = MINUTE;
const GROUP = 'external.metrics.k8s.io';

/**
 * Asks the Kubernetes API (SubjectAccessReview) whether somebody may. `system:masters` may everything, there as here.
 * Resolves to undefined where it is allowed, or else to the answer that says why not.
 */
export function openAuthorization({ ask, now }: AuthorizeDeps) {
  const verdicts = openAnswerCache<Verdict>({
    now,
    freshMs: FRESH_MS,
    servedMs: ({ allowed }) => (allowed ? PERMISSION_SERVED_MS : 0),
  });

  async function review({ user, uid, groups, extra }: Identity, action: Action): Promise<Verdict> {
    const attributes =
      action.kind === 'path'
        ? { nonResourceAttributes: { path: action.path, verb: 'get' } }
        : {
            // A request that names no object is a list, whatever the metric's name looks like.
            resourceAttributes: {
              group: GROUP,
              version: 'v1beta1',
              resource: action.metric,
              namespace: action.namespace,
              verb: 'list',
            },
          };
    const answer = await ask({
      method: 'POST',
      path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
      body: {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        spec: { user, ...(uid !== undefined && { uid }), groups, extra, ...attributes },
      },
    });
    if (answer.status !== 200 && answer.status !== 201) throw new Error(messageOf(answer));
    const { status } = answer.body as { status?: { allowed?: boolean; denied?: boolean; reason?: string } };
    return { allowed: status?.allowed === true && status.denied !== true, reason: status?.reason ?? '' };
  }

  return async function refusalOf(identity: Identity, action: Action): Promise<Answer | undefined> {
    if (identity.groups.includes('system:masters')) return undefined;
    let verdict: Verdict;
    try {
      verdict = await verdicts.get(JSON.stringify([identity, action]), () => review(identity, action));
    } catch (error) {
      const message = `cannot ask the Kubernetes API what ${identity.user} may do: ${(error as Error).message}`;
      return failure('ServiceUnavailable', message);
    }
    if (verdict.allowed) return undefined;
    const why = verdict.reason === '' ? '' : `: ${verdict.reason}`;
    return failure('Forbidden', `${forbidden(identity, action)}${why}`);
  };
}

/** In the API server's own words. */
function forbidden({ user }: Identity, action: Action): string {
  const who = JSON.stringify(user);
  if (action.kind === 'path') return `forbidden: User ${who} cannot get path ${JSON.stringify(action.path)}`;
  const { metric, namespace } = action;
  return `${metric}.${GROUP} is forbidden: User ${who} cannot list resource ${JSON.stringify(metric)} in API group "${GROUP}" in the namespace ${JSON.stringify(namespace)}`;
}
