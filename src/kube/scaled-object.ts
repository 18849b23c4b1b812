import type { TargetPause } from '../scaling/plan-types.ts';
import type { BoundsObject } from './bounds-object.ts';

const PREFIX = 'autoscaling.keda.sh';

/**
 * What a person has paused by annotation. KEDA reads any text but a false one as yes, and `paused-replicas` wins over
 * `paused`, whatever they say (`NeedToBePausedByAnnotation` of KEDA 2.21).
 */
export function pauseOf({ metadata: { annotations = {} } }: Pick<BoundsObject, 'metadata'>): TargetPause | undefined {
  const isSet = (name: string) => {
    const text = annotations[`${PREFIX}/${name}`];
    return text !== undefined && !FALSE.has(text);
  };
  if (annotations[`${PREFIX}/paused-replicas`] !== undefined) {
    return { stops: 'all', annotation: `${PREFIX}/paused-replicas` };
  }
  if (isSet('paused')) return { stops: 'all', annotation: `${PREFIX}/paused` };
  const out = isSet('paused-scale-out');
  const into = isSet('paused-scale-in');
  if (out && into) return { stops: 'all', annotation: `${PREFIX}/paused-scale-out and ${PREFIX}/paused-scale-in` };
  if (out) return { stops: 'up', annotation: `${PREFIX}/paused-scale-out` };
  if (into) return { stops: 'down', annotation: `${PREFIX}/paused-scale-in` };
  return undefined;
}

/** What Go's `strconv.ParseBool` takes for false. */
const FALSE: ReadonlySet<string> = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

interface ScaledObjectSpec {
  readonly advanced?: { readonly horizontalPodAutoscalerConfig?: { readonly name?: string } };
}

/** The name of the HPA that KEDA makes for a ScaledObject. */
export function hpaNameOf({ metadata, spec, status }: BoundsObject): string {
  const made = status?.['hpaName'];
  if (typeof made === 'string' && made !== '') return made;
  const given = (spec as ScaledObjectSpec).advanced?.horizontalPodAutoscalerConfig?.name;
  return given !== undefined && given !== '' ? given : `keda-hpa-${metadata.name}`;
}
