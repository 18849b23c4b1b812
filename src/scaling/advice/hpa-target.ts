import type { MetricSpec } from '../hpa/types.ts';
import type { ScalingPolicy } from '../policy.ts';
import type { AutoscalerReading, HpaTarget, Unknown } from './types.ts';

/** What `foresail simulate` takes where nothing is said. */
const ASSUMED: HpaTarget = {
  ratio: 0.7,
  metric: null,
  why: 'assumed to be 70 %: no metric of the HPA tells how full it lets a replica become',
};
/** An average far above what a replica carries, or next to nothing of it, measures something else. */
const RATIOS = { least: 0.05, most: 1.5 };
/** What the API server writes into an HPA that names no metric. */
const DEFAULT_METRIC: MetricSpec = { type: 'Resource', name: 'cpu', target: { averageUtilization: 80 } };

/**
 * How full of what it carries the HPA lets a replica become: of several metrics the one that asks for the most replicas
 * decides, which is the lowest ratio.
 */
export function hpaTargetOf(policy: ScalingPolicy, autoscaler: AutoscalerReading | Unknown): HpaTarget {
  if (autoscaler.kind === 'unknown') return ASSUMED;
  const metrics = autoscaler.metrics.length > 0 ? autoscaler.metrics : [DEFAULT_METRIC];
  const known = metrics.map((metric, i) => targetOf(metric, i, policy)).filter((target) => target !== undefined);
  if (known.length === 0) return ASSUMED;
  return known.reduce((lowest, target) => (target.ratio < lowest.ratio ? target : lowest));
}

function targetOf(metric: MetricSpec, i: number, { demands }: ScalingPolicy): HpaTarget | undefined {
  const [demand] = demands;
  const path = `spec.metrics[${i}]`;
  switch (metric.type) {
    case 'Resource':
    case 'ContainerResource': {
      if (!('averageUtilization' in metric.target)) return undefined;
      const { averageUtilization: value } = metric.target;
      const resource = metric.type === 'Resource' ? 'resource' : 'containerResource';
      const setting = { path: `${path}.${resource}.target.averageUtilization`, value, unit: 'percent' as const };
      const full = metric.name === 'cpu' ? demand?.utilization?.target : undefined;
      const why =
        full === undefined
          ? `${value} % of the ${metric.name} request, assumed to be all used by a replica that carries all it can`
          : `${value} % of the ${metric.name} request, of which a replica that carries all it can uses ${Math.round(100 * full)} % (capacity.utilization.target)`;
      return { ratio: value / 100 / (full ?? 1), metric: setting, why };
    }
    case 'Pods':
    case 'Object':
    case 'External': {
      if (!('averageValue' in metric.target) || demand?.perReplica === undefined) return undefined;
      const { averageValue: value } = metric.target;
      const ratio = value / demand.perReplica;
      if (!(ratio >= RATIOS.least && ratio <= RATIOS.most)) return undefined;
      const kind = { Pods: 'pods', Object: 'object', External: 'external' }[metric.type];
      const why = `${value} of ${metric.name} a replica, assumed to measure the demand, of which one carries ${demand.perReplica}`;
      return { ratio, metric: { path: `${path}.${kind}.target.averageValue`, value, unit: 'value' }, why };
    }
  }
}

/** The HPA's own setting for another ratio; a percentage is whole. */
export function settingFor({ metric, ratio }: HpaTarget, wanted: number): number | null {
  if (metric === null) return null;
  const value = (metric.value * wanted) / ratio;
  return metric.unit === 'percent' ? Math.round(value) : Number(value.toPrecision(3));
}
