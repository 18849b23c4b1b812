import fc from 'fast-check';
import { DAY, HOUR, MINUTE, type Millis, SECOND } from '../model/time.ts';
import { type BoundsChange, type TargetState, targetKey } from '../scaling/cluster.ts';
import { DEFAULT_RAMP } from '../scaling/plan.ts';
import type { TargetPause } from '../scaling/plan-types.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { highestAfterMinute, lowestAfterMinute } from '../scaling/ramp.ts';
import { replayDecision } from '../scaling/replay.ts';
import { firstMin } from './fake-cluster.ts';
import { forecastOf, openScaleWorld, type ScaleWorld, worldPolicy } from './scale-world.ts';

/** One thing that happens to the scale loop, or to the world around it. Every sequence of them must keep the laws. */
export type Blow =
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'forecast'; readonly peak: number; readonly ageMs: number }
  | { readonly kind: 'no-forecast' }
  | { readonly kind: 'demand'; readonly value: number }
  | { readonly kind: 'set'; readonly target: string; readonly min: number; readonly manager: string }
  | { readonly kind: 'set-max'; readonly target: string; readonly max: number }
  | { readonly kind: 'replicas'; readonly target: string; readonly replicas: number }
  | { readonly kind: 'recreate'; readonly target: string }
  | { readonly kind: 'pause'; readonly target: string; readonly stops: TargetPause['stops'] | 'nothing' }
  | { readonly kind: 'interfere'; readonly times: number }
  | { readonly kind: 'policies'; readonly policies: readonly PolicyShape[] }
  | { readonly kind: 'unreadable'; readonly gone: boolean }
  | { readonly kind: 'clock'; readonly byMs: number }
  | { readonly kind: 'store'; readonly full: boolean }
  | { readonly kind: 'api'; readonly trouble: 'none' | 'down' | 'lost-answers' }
  | { readonly kind: 'restart' };

interface PolicyShape {
  readonly name: string;
  readonly target: string;
  readonly mode: 'observe' | 'enforce';
  readonly paused: boolean;
  readonly takeOver: 'once' | 'never';
}

/** The last one has the name of the first: only its kind tells them apart. */
const TARGETS = ['web', 'cart', 'ScaledObject:web'];
const LIMITS = { min: 1, max: 40 };
const MAX = 50;

const target = fc.constantFrom(...TARGETS);
const shape: fc.Arbitrary<PolicyShape> = fc.record({
  name: fc.constantFrom('web', 'cart', 'other'),
  target,
  mode: fc.constantFrom<PolicyShape['mode'][]>('enforce', 'enforce', 'enforce', 'observe'),
  paused: fc.constantFrom(false, false, false, true),
  takeOver: fc.constantFrom<PolicyShape['takeOver'][]>('once', 'once', 'once', 'never'),
});
const one = (weight: number, arbitrary: fc.Arbitrary<Blow>) => ({ weight, arbitrary });
const kind = <K extends Blow['kind']>(name: K) => fc.constant<K>(name);

export const blow: fc.Arbitrary<Blow> = fc.oneof(
  one(
    8,
    fc.record({
      kind: kind('wait'),
      ms: fc.constantFrom(SECOND, 20 * SECOND, MINUTE, MINUTE, 5 * MINUTE, 15 * MINUTE),
    }),
  ),
  one(
    5,
    fc.record({
      kind: kind('forecast'),
      peak: fc.oneof(
        { weight: 8, arbitrary: fc.integer({ min: 0, max: 5000 }) },
        { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -100, 1e12) },
      ),
      ageMs: fc.constantFrom(0, 0, 0, 5 * MINUTE, HOUR, -HOUR),
    }),
  ),
  one(1, fc.record({ kind: kind('no-forecast') })),
  one(2, fc.record({ kind: kind('demand'), value: fc.constantFrom(0, 100, 3000, Number.NaN, -1) })),
  one(
    3,
    fc.record({
      kind: kind('set'),
      target,
      min: fc.integer({ min: 1, max: 30 }),
      manager: fc.constantFrom('kubectl-client-side-apply', 'helm', 'argocd-controller'),
    }),
  ),
  one(1, fc.record({ kind: kind('set-max'), target, max: fc.integer({ min: 30, max: MAX }) })),
  one(1, fc.record({ kind: kind('replicas'), target, replicas: fc.constantFrom(0, 5, 80) })),
  one(1, fc.record({ kind: kind('recreate'), target })),
  one(
    1,
    fc.record({
      kind: kind('pause'),
      target: fc.constant('ScaledObject:web'),
      stops: fc.constantFrom<Extract<Blow, { kind: 'pause' }>['stops'][]>('all', 'up', 'down', 'nothing', 'nothing'),
    }),
  ),
  one(1, fc.record({ kind: kind('interfere'), times: fc.integer({ min: 1, max: 4 }) })),
  one(
    3,
    fc.record({
      kind: kind('policies'),
      policies: fc.uniqueArray(shape, { maxLength: 3, selector: ({ name }) => name }),
    }),
  ),
  one(1, fc.record({ kind: kind('unreadable'), gone: fc.boolean() })),
  one(1, fc.record({ kind: kind('clock'), byMs: fc.constantFrom(-HOUR, -MINUTE, MINUTE, HOUR, DAY) })),
  one(2, fc.record({ kind: kind('store'), full: fc.boolean() })),
  one(2, fc.record({ kind: kind('api'), trouble: fc.constantFrom('none', 'none', 'down', 'lost-answers') })),
  one(3, fc.record({ kind: kind('restart') })),
);

/** Somebody's value of a minimum, from when on it stood. Times are of a clock that is never set back. */
interface Stood {
  readonly at: Millis;
  readonly min: number;
  readonly ours: boolean;
}

/**
 * Lets blows fall on the scale loop and checks each write that reaches the cluster against the laws of architecture
 * 3.4, then that everything is given back once every policy is gone, and that every record replays.
 * @throws {Error} That names the law and the write which broke it.
 */
export async function torture(blows: readonly Blow[]): Promise<void> {
  const world = openScaleWorld([worldPolicy('web', { mode: 'enforce', replicas: LIMITS, up: '50%' })], TARGETS);
  let setBack = 0;
  let unrecorded = false;
  let trouble: Extract<Blow, { kind: 'api' }>['trouble'] = 'none';
  const broken: string[] = [];
  const time = () => world.clock.now() - setBack;
  const stood = new Map<string, Stood[]>(
    TARGETS.map((name) => [name, [{ at: Number.NEGATIVE_INFINITY, min: firstMin(name), ours: false }]]),
  );
  const stands = (name: string, ours: boolean) =>
    stood.get(name)!.push({ at: time(), min: world.cluster.state(name).min, ours });

  const { apply, read, listOwned } = world.cluster;
  const reached = <T>(answer: Promise<T>) => {
    if (trouble === 'down') throw new TypeError('the API server is down');
    return answer;
  };
  Object.assign(world.cluster, {
    read: (...call: Parameters<typeof read>) => reached(read(...call)),
    listOwned: (...call: Parameters<typeof listOwned>) => reached(listOwned(...call)),
    apply: async (change: BoundsChange) => {
      const key = targetKey(change.ref);
      const before = world.cluster.state(key);
      const outcome = await reached(apply(change));
      if (outcome.kind === 'applied') {
        // Kept until after the run: the loop catches what is thrown in here.
        const law = brokenBy(change, before, world, stood.get(key)!, time());
        if (law !== undefined) broken.push(law);
        if (change.min !== before.min) stands(key, true);
      }
      if (trouble === 'lost-answers') throw new TypeError('no answer within 10 s');
      return outcome;
    },
  });

  for (const each of blows) {
    switch (each.kind) {
      case 'wait':
        await world.run(each.ms);
        if (each.ms >= MINUTE && !world.storeFull) unrecorded = false;
        break;
      case 'forecast':
        world.forecast = (now) => forecastOf(each.peak, now - each.ageMs);
        break;
      case 'no-forecast':
        world.forecast = () => undefined;
        break;
      case 'demand':
        world.demand = each.value;
        break;
      case 'set':
        world.cluster.set(each.target, Math.min(each.min, world.cluster.state(each.target).max), each.manager);
        stands(each.target, false);
        break;
      case 'set-max':
        world.cluster.setMax(each.target, Math.max(each.max, world.cluster.state(each.target).min));
        break;
      case 'replicas':
        world.cluster.setReplicas(each.target, each.replicas);
        break;
      case 'recreate':
        world.cluster.recreate(each.target);
        stood.set(each.target, [{ at: Number.NEGATIVE_INFINITY, min: firstMin(each.target), ours: false }]);
        break;
      case 'pause': {
        const { stops } = each;
        world.cluster.pause(each.target, stops === 'nothing' ? undefined : { stops, annotation: `paused-${stops}` });
        break;
      }
      case 'interfere':
        world.cluster.interfere(each.times);
        break;
      case 'policies':
        world.policies.splice(0, 3, ...each.policies.map(policyOf));
        break;
      case 'unreadable':
        if (each.gone) world.unreadable.length = 0;
        else world.unreadable.push('a.yaml:1:1: broken');
        break;
      case 'clock':
        // Time by which a clock was set forward cannot be told from time that passed: it counts as passed here too.
        setBack += Math.min(0, each.byMs);
        world.clock.set(each.byMs);
        break;
      case 'store':
        world.storeFull = each.full;
        if (each.full) unrecorded = true;
        break;
      case 'api':
        trouble = each.trouble;
        break;
      case 'restart':
        // Who starts anew with things that could not be recorded may take one step early: that is two faults at once.
        if (!unrecorded) world.restart();
        break;
    }
  }

  if (broken.length > 0) throw new Error(broken[0]);

  trouble = 'none';
  world.storeFull = false;
  world.unreadable.length = 0;
  world.policies.length = 0;
  world.cluster.interfere(0);
  for (let i = 0; i < 60 && TARGETS.some((name) => world.cluster.state(name).ownership !== null); i++) {
    await world.run(MINUTE);
  }
  for (const name of TARGETS) {
    if (world.cluster.state(name).ownership !== null)
      throw new Error(`law 6: ${name} is not given back within an hour`);
  }
  if (broken.length > 0) throw new Error(broken[0]);
  for (const decision of await world.ledger.list({ limit: 10_000 })) {
    const again = JSON.stringify(replayDecision(decision));
    if (again !== JSON.stringify(decision.plan))
      throw new Error(`a replay differs: ${again} of ${decision.text.join(' ')}`);
  }
}

function policyOf({ name, ...shape }: PolicyShape): ScalingPolicy {
  const min = shape.target.startsWith('ScaledObject') ? 0 : LIMITS.min;
  return worldPolicy(name, { ...shape, replicas: { ...LIMITS, min }, up: '50%' });
}

/** The first law that a write breaks, or undefined. */
function brokenBy(
  change: BoundsChange,
  before: TargetState,
  { policies, unreadable }: Pick<ScaleWorld, 'policies' | 'unreadable'>,
  stood: readonly Stood[],
  now: Millis,
): string | undefined {
  const key = targetKey(change.ref);
  const broken = (law: string) => {
    const bounds = `${before.min}-${before.max} to ${change.min}-${change.max}`;
    return `${law}: ${key} ${bounds} at ${now}, ${JSON.stringify({ before, change, stood: stood.slice(-6) })}`;
  };
  const { min, max, ownership } = change;
  const original = ownership?.original ?? before.ownership?.original;
  if (!(Number.isInteger(min) && min >= Math.min(1, firstMin(key)) && min <= max))
    return broken('law 1: bounds are whole and ordered');
  if (max !== before.max) return broken("law 3: the maximum is its owner's");
  if (original === undefined) return broken('law 6: nothing is written that could not be given back');
  if (min > before.min && min > Math.max(LIMITS.max, original.min))
    return broken("law 1: never above the policy's maximum");
  const setByOthers = before.ownership === null || before.min !== before.ownership.written.min;
  if (setByOthers && min < before.min) return broken('law 5: never under what another manager set');
  if (!setByOthers && min < Math.min(original.min, max) && min < before.min)
    return broken('law 1: never under the original');

  const scaling = policies.some(
    ({ mode, paused, namespace, name, target }) =>
      mode === 'enforce' && !paused && `${namespace}/${name}` === ownership?.policy && targetKey(target) === key,
  );
  const stops = scaling ? before.pause?.stops : undefined;
  if (min > before.min && stops !== undefined && stops !== 'down')
    return broken('a pause of the target stops the way up');
  if (min < before.min && stops !== undefined && stops !== 'up')
    return broken('a pause of the target stops the way down');

  const ramp = policies[0]?.ramp ?? worldPolicy('web', { up: '50%' }).ramp;
  const lately = stood.filter(({ at }, i) => at > now - MINUTE || (stood[i + 1]?.at ?? now + 1) > now - MINUTE);
  // What another manager sets is no step of ours, but the next one is measured from it.
  const ours = lately.slice(
    Math.max(
      0,
      lately.findLastIndex((each) => !each.ours),
    ),
  );
  if (min > before.min) {
    const low = Math.min(...ours.map((each) => each.min));
    const jumps = min > Math.max(highestAfterMinute(low, ramp), LIMITS.min, Math.min(original.min, max));
    if (jumps) return broken('law 2: no jump up');
  }
  if (min < before.min) {
    const top = Math.max(...ours.map((each) => each.min));
    const gone = !policies.some((policy) => `${policy.namespace}/${policy.name}` === before.ownership?.policy);
    // Of a policy that is gone and could record nothing, its name alone is left, which has the default ramp.
    const low = Math.min(lowestAfterMinute(top, ramp), gone ? lowestAfterMinute(top, DEFAULT_RAMP) : top);
    if (min < Math.min(low, LIMITS.max)) return broken('law 2: no jump down');
    const heir = policies.some(({ mode, target }) => mode === 'enforce' && targetKey(target) === key);
    if (gone && !heir && unreadable.length > 0) return broken('law 6: no release while a policy cannot be read');
  }
  const enforced = policies.some(({ mode, target }) => mode === 'enforce' && targetKey(target) === key);
  if (min > before.min && !enforced) return broken('law 4: nothing is raised without a policy that enforces');
  return undefined;
}
