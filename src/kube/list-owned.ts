import type { TargetRef, TargetState } from '../scaling/cluster.ts';
import { type KubeAnswer, type KubeApi, messageOf } from './api.ts';
import { kindOf } from './bounds-kind.ts';
import { type BoundsObject, ownershipOf, type Replicas, stateOf } from './bounds-object.ts';
import { KubernetesApiError } from './errors.ts';
import { hpaNameOf, pauseOf } from './scaled-object.ts';

/**
 * Every target with Foresail's annotation. Replicas are taken from the HPAs' own status here: a list of many must not
 * ask for each workload.
 */
export async function listOwned(api: KubeApi, signal: AbortSignal | undefined): Promise<readonly TargetState[]> {
  const owned: TargetState[] = [];
  const seen = new Map<string, Replicas>();
  await forEach(api, 'HorizontalPodAutoscaler', signal, (hpa) => {
    const replicas = replicasSeenBy(hpa);
    seen.set(`${hpa.metadata.namespace}/${hpa.metadata.name}`, replicas);
    if (ownershipOf(hpa) !== null) owned.push(stateOf(hpa, replicas));
  });
  if (!(await hasKeda(api, signal))) return owned;
  await forEach(api, 'ScaledObject', signal, (object) => {
    if (ownershipOf(object) === null) return;
    const replicas = seen.get(`${object.metadata.namespace}/${hpaNameOf(object)}`) ?? { spec: 0, status: 0 };
    const pause = pauseOf(object);
    owned.push({ ...stateOf(object, replicas), ...(pause !== undefined && { pause }) });
  });
  return owned;
}

/** Discovery is open to every account: without KEDA there is nothing to list, and no right to list it either. */
async function hasKeda(api: KubeApi, signal: AbortSignal | undefined): Promise<boolean> {
  const answer = await api.request(
    { method: 'GET', path: `/apis/${kindOf({ kind: 'ScaledObject' }).apiVersion}` },
    signal,
  );
  if (answer.status === 404) return false;
  if (answer.status !== 200) throw cannot('discover KEDA', answer);
  const { resources } = answer.body as { resources?: readonly { name: string }[] };
  return resources?.some(({ name }) => name === 'scaledobjects') ?? false;
}

async function forEach(
  api: KubeApi,
  kind: TargetRef['kind'],
  signal: AbortSignal | undefined,
  visit: (object: BoundsObject) => void,
): Promise<void> {
  const { apiVersion, plural } = kindOf({ kind });
  const path = `/apis/${apiVersion}/${plural}`;
  let page = '';
  do {
    const query = { limit: '500', ...(page !== '' && { continue: page }) };
    const answer = await api.request({ method: 'GET', path, query }, signal);
    if (answer.status !== 200) throw cannot(`list the ${kind}s`, answer);
    const list = answer.body as { items: readonly BoundsObject[]; metadata: { continue?: string } };
    for (const item of list.items) visit({ ...item, kind });
    page = list.metadata.continue ?? '';
  } while (page !== '');
}

/** What the HPA itself last saw of its workload. */
function replicasSeenBy({ status }: BoundsObject): Replicas {
  const { desiredReplicas, currentReplicas } = (status ?? {}) as {
    readonly desiredReplicas?: number;
    readonly currentReplicas?: number;
  };
  return { spec: desiredReplicas ?? 0, status: currentReplicas ?? 0 };
}

function cannot(what: string, answer: KubeAnswer): KubernetesApiError {
  return new KubernetesApiError(`cannot ${what}: ${messageOf(answer)}`, answer.status);
}
