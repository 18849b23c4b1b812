/** A Deployment in the namespace `shop`, whose replicas the cluster defaults unless they are given. */
export function deployment(name: string, scale: { readonly replicas?: number } = {}) {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'shop' },
    spec: {
      ...scale,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: 'main', image: 'example.com/main:1' }] },
      },
    },
  };
}

/** Its autoscaler. */
export function hpa(name: string, { min, max }: { readonly min: number; readonly max: number }) {
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name, namespace: 'shop' },
    spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name }, minReplicas: min, maxReplicas: max },
  };
}

/** A policy in the namespace `shop`. */
export function policy(name: string, spec: object) {
  return {
    apiVersion: 'foresail.dev/v1alpha1',
    kind: 'ScalingPolicy',
    metadata: { name, namespace: 'shop' },
    spec,
  };
}

/** What of a policy asks for a minimum at once, whatever the demand is, and lets go of it as fast. */
export function atOnce(min: number) {
  return {
    mode: 'enforce',
    demand: { query: 'sum(demand)', capacity: { perReplica: 1 } },
    replicas: { min, max: 40 },
    ramp: { maxUpPerMinute: '1000%', maxDownPerMinute: '100%', holdDown: '0s' },
  };
}

/** @returns The answer's JSON. Throws where it is not a success. */
export async function requestPolicy(url: string, method: string, name: string, body?: object): Promise<unknown> {
  const response = await fetch(`${url}/api/v1/policies/shop/${name}`, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${name}: ${response.status} ${text}`);
  return JSON.parse(text);
}
