import type { z } from 'zod';
import type { Advice, Replay, TargetAdvice, Unknown } from '../scaling/advice/types.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import type { AdviceAnswer } from './advice-schemas.ts';

type Answer = z.infer<typeof AdviceAnswer>;

export function adviceAnswer({ namespace, name }: ScalingPolicy, advice: Advice): Answer {
  const { replay, target, findings, requests } = advice;
  return {
    namespace,
    policy: name,
    replay: replay.kind === 'unknown' ? reasonOf(replay) : replayAnswer(replay),
    target: target.kind === 'unknown' ? reasonOf(target) : targetAnswer(target),
    findings: 'kind' in findings ? reasonOf(findings) : [...findings],
    requests: requests.kind === 'unknown' ? reasonOf(requests) : requestsAnswer(requests),
  };
}

function reasonOf({ message }: Unknown) {
  return { message };
}

function replayAnswer({ kind: _, from, to, hpaTarget, ...figures }: Replay): Answer['replay'] {
  const { ratio, metric, why } = hpaTarget;
  return {
    ...figures,
    from: from / 1000,
    to: to / 1000,
    hpaTarget: { ratio, setting: metric?.path ?? null, value: metric?.value ?? null, why },
  };
}

function targetAnswer({ kind, setting, tried, ...others }: TargetAdvice): Answer['target'] {
  return { advice: kind, value: setting, tried: [...tried], ...others };
}

function requestsAnswer({ containers, message, hpaTarget }: Exclude<Advice['requests'], Unknown>): Answer['requests'] {
  return { containers: [...containers], message, hpaTarget };
}
