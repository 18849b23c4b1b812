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
