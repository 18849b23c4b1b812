import type { ScalingPolicyDocument } from '../scaling/policy.ts';
import type { DemandPreview, PolicyPreview, WhatIf } from '../scaling/policy-preview.ts';
import { finiteOrNull, reasonOf } from './forecast-answers.ts';

export interface PreviewedPolicy {
  readonly document: ScalingPolicyDocument;
  readonly judgedMs: number;
  readonly preview: PolicyPreview;
}

/** A preview in the API's form: seconds, finite numbers or null. Lines are columns of the same length. */
export function previewAnswer({ document, judgedMs, preview }: PreviewedPolicy): object {
  return {
    policy: document,
    judgedSeconds: judgedMs / 1000,
    demands: preview.demands.map(demandAnswer),
    whatIf: whatIfAnswer(preview.whatIf),
  };
}

function demandAnswer(preview: DemandPreview): object {
  const { demand } = preview;
  if (preview.kind !== 'preview') return { demand, noForecast: reasonOf(preview) };
  const { leadMs, model, accuracy, ...lines } = preview;
  return {
    demand,
    leadSeconds: leadMs / 1000,
    model,
    accuracy: Object.fromEntries(Object.entries(accuracy).map(([name, value]) => [name, finiteOrNull(value)])),
    times: Array.from(lines.times, (time) => time / 1000),
    ...columns({
      actual: lines.actual,
      point: lines.point,
      lower: lines.lower,
      upper: lines.upper,
      planned: lines.planned,
    }),
  };
}

function whatIfAnswer(whatIf: WhatIf): object {
  if (whatIf.kind === 'none') return { message: whatIf.message };
  const { from, to, strategies, lines } = whatIf;
  const { times, ...others } = lines;
  return {
    ...{ from: from / 1000, to: to / 1000, strategies },
    lines: { times: Array.from(times, (time) => time / 1000), ...columns(others) },
  };
}

function columns(lines: Readonly<Record<string, Float64Array>>): object {
  return Object.fromEntries(Object.entries(lines).map(([name, values]) => [name, Array.from(values, finiteOrNull)]));
}
