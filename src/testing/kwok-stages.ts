/** How kwok plays the kubelet: nodes are Ready at once, and pods Ready 20 to 40 s after they were bound. */
const START_MS = { least: 20_000, most: 40_000 };
const HEARTBEAT_MS = { least: 20_000, most: 25_000 };
const END_MS = { least: 1_000, most: 3_000 };

const READY = '.status.conditions.[] | select( .type == "Ready" ) | .status';
const CAPACITY = '{cpu: "1000", memory: 4Ti, pods: "5000"}';

/** A template of Go. */
const NODE_CONDITIONS = `{{ $now := Now }}
conditions:
{{ range NodeConditions }}
- {type: {{ .type | Quote }}, status: {{ .status | Quote }}, reason: {{ .reason | Quote }}, message: {{ .message | Quote }}, lastHeartbeatTime: {{ $now | Quote }}, lastTransitionTime: {{ $now | Quote }}}
{{ end }}
`;
const POD_STATUS = `{{ $now := Now }}
phase: Running
startTime: {{ $now | Quote }}
conditions:
- {type: Initialized, status: "True", lastTransitionTime: {{ $now | Quote }}}
- {type: ContainersReady, status: "True", lastTransitionTime: {{ $now | Quote }}}
- {type: Ready, status: "True", lastTransitionTime: {{ $now | Quote }}}
containerStatuses:
{{ range .spec.containers }}
- {name: {{ .name | Quote }}, image: {{ .image | Quote }}, ready: true, restartCount: 0, state: {running: {startedAt: {{ $now | Quote }}}}}
{{ end }}
`;

/** Stage objects, as kwok 0.8 reads them from its configuration. */
export const KWOK_STAGES: readonly object[] = [
  stage('node-ready', 'Node', [{ key: READY, operator: 'NotIn', values: ['True'] }], {
    statusTemplate: `${NODE_CONDITIONS}allocatable: ${CAPACITY}\ncapacity: ${CAPACITY}\nphase: Running\n`,
  }),
  stage('node-heartbeat', 'Node', [{ key: READY, operator: 'In', values: ['True'] }], {
    statusTemplate: NODE_CONDITIONS,
    after: HEARTBEAT_MS,
  }),
  stage(
    'pod-ready',
    'Pod',
    [
      { key: '.metadata.deletionTimestamp', operator: 'DoesNotExist' },
      { key: '.status.phase', operator: 'In', values: ['Pending'] },
      { key: READY, operator: 'NotIn', values: ['True'] },
    ],
    { statusTemplate: POD_STATUS, after: START_MS },
  ),
  stage('pod-delete', 'Pod', [{ key: '.metadata.deletionTimestamp', operator: 'Exists' }], {
    finalizers: { empty: true },
    delete: true,
    after: END_MS,
  }),
];

function stage(
  name: string,
  kind: 'Node' | 'Pod',
  matchExpressions: readonly object[],
  { after, ...next }: { readonly after?: { readonly least: number; readonly most: number } } & Record<string, unknown>,
) {
  return {
    apiVersion: 'kwok.x-k8s.io/v1alpha1',
    kind: 'Stage',
    metadata: { name },
    spec: {
      resourceRef: { apiGroup: 'v1', kind },
      selector: { matchExpressions },
      // The jitter is the upper end of the range, not what is added.
      ...(after && { delay: { durationMilliseconds: after.least, jitterDurationMilliseconds: after.most } }),
      next,
    },
  };
}
