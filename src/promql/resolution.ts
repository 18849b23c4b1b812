import { formatDuration, formatInstant, type Millis } from '../model/time.ts';
import type { Annotations } from './annotations.ts';
import type { SelectorNeed, WindowsSeen } from './selectors.ts';

/** Where samples are kept no longer, and of which lengths there are points. */
export interface Coverage {
  readonly samplesSince: Millis;
  readonly tiers: readonly Tier[];
}

interface Tier {
  readonly stepMs: number;
  readonly since: Millis;
}

/** What one selector is answered from. */
export type Resolution =
  | { readonly kind: 'samples'; readonly why?: 'gone' | 'unfit'; readonly tier?: Tier }
  | { readonly kind: 'points'; readonly tier: Tier; readonly isExact: boolean };

const SAMPLES: Resolution = { kind: 'samples' };

/**
 * Points answer where samples are gone and the answer is the same: the function has the same result over points, and
 * all windows begin and end with them. Asked for, they answer wherever a window is not shorter than a point.
 * @param maxMs The longest points that may answer though it is not the same. 0: none. Undefined: not asked for.
 */
export function resolutionOf(
  { range, windows }: Pick<SelectorNeed, 'range' | 'windows'>,
  coverage: Coverage | undefined,
  maxMs: number | undefined,
): Resolution {
  if (coverage === undefined || maxMs === 0) return SAMPLES;
  const { samplesSince } = coverage;
  const tiers = coverage.tiers.filter(({ since }) => since < samplesSince);
  const isGone = range.start < samplesSince;
  if (tiers.length === 0 || (maxMs === undefined && !isGone)) return SAMPLES;
  const allowed = tiers.filter(({ stepMs }) => stepMs <= (maxMs ?? Number.POSITIVE_INFINITY));
  const fit = windows === undefined ? [] : allowed.filter(({ stepMs }) => windows.lengthMs >= stepMs);
  const exact = fit.filter((tier) => isAligned(windows!, tier.stepMs));
  const best = reaching(exact);
  if (best !== undefined) return { kind: 'points', tier: best, isExact: true };
  const asked = maxMs === undefined ? undefined : fit.at(-1);
  if (asked !== undefined) return { kind: 'points', tier: asked, isExact: false };
  if (!isGone) return SAMPLES;
  const tier = reaching(fit) ?? reaching(tiers)!;
  return { kind: 'samples', why: maxMs === undefined && fit.length > 0 ? 'gone' : 'unfit', tier };
}

function isAligned({ lengthMs, first, everyMs }: WindowsSeen, stepMs: number): boolean {
  return lengthMs % stepMs === 0 && first % stepMs === 0 && everyMs % stepMs === 0;
}

/** The tier that goes back furthest; of those that go back as far, the one with the longest points. */
function reaching(tiers: readonly Tier[]): Tier | undefined {
  return tiers.reduce<Tier | undefined>(
    (best, tier) => (best === undefined || tier.since <= best.since ? tier : best),
    undefined,
  );
}

/** Says what an answer comes from, where it is not samples alone, and what else there would be. */
export function tellResolution(
  resolution: Resolution,
  { samplesSince }: Coverage,
  { node }: SelectorNeed,
  { maxMs, annotations }: { readonly maxMs: number | undefined; readonly annotations: Annotations },
): void {
  const { kind, tier } = resolution;
  if (tier === undefined) return;
  const points = `points of ${formatDuration(tier.stepMs)}`;
  if (kind === 'points') {
    const message = resolution.isExact
      ? `answered from ${points} where samples are gone, with the same result`
      : `answered from ${points}, with which windows do not begin and end: an approximation`;
    if (maxMs === undefined) annotations.info(message, node.span);
    else annotations.warn(message, node.span);
    return;
  }
  const gone = `samples before ${instant(samplesSince)} are gone; ${points} are there since ${instant(tier.since)}`;
  if (resolution.why === 'gone') {
    annotations.info(`${gone}: max_source_resolution=${formatDuration(tier.stepMs)} asks for them`, node.span);
    return;
  }
  const message = `${gone}, and answer min, max, sum, count, avg, first, last and present_over_time, rate, increase and delta over windows that are as long`;
  if (maxMs === undefined) annotations.info(message, node.span);
  else annotations.warn(message, node.span);
}

function instant(time: Millis): string {
  return Number.isFinite(time) ? formatInstant(time) : 'ever';
}
