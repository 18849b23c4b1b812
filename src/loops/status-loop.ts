import type { Clock } from '../model/clock.ts';
import { MINUTE, type Millis, SECOND } from '../model/time.ts';
import type { Announcement } from '../scaling/cluster.ts';
import {
  type PolicyStatus,
  policyStatus,
  type StatusInput,
  statusChange,
  type ToldCondition,
  type ToldStatus,
} from '../scaling/policy-status.ts';
import { decisionText } from './decision-text.ts';
import { inParallel } from './in-parallel.ts';
import { runLoop } from './run-loop.ts';
import { type LoopTelemetry, reasonOf } from './telemetry.ts';

/** A custom resource, and what is to be told in its status. */
export interface StatusSubject extends Omit<StatusInput, 'now' | 'textOf'> {
  readonly id: {
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
    readonly apiVersion: string;
  };
}

export interface StatusLoopDeps {
  readonly clock: Clock;
  readonly telemetry: LoopTelemetry;
  /** The custom resources that this replica answers for. */
  readonly subjects: () => Promise<readonly StatusSubject[]>;
  readonly write: (id: StatusSubject['id'], status: PolicyStatus, signal: AbortSignal) => Promise<'written' | 'gone'>;
  readonly announce: (id: StatusSubject['id'], event: Announcement, signal: AbortSignal) => Promise<void>;
  readonly intervalMs: number;
}

export interface StatusLoop {
  run(signal: AbortSignal): Promise<void>;
  pass(signal: AbortSignal): Promise<void>;
}

const AT_ONCE = 4;
/** Writes of one pass at most: the rest waits for the next one. */
const MOST_A_PASS = 300;
/** What a status means is written at most so often; words and figures that move all the time much less so. */
const MEANING_EVERY_MS = 2 * SECOND;
const WORDS_EVERY_MS = 5 * MINUTE;

/** Writes back what became of each custom resource, when something changed. Nothing waits for it. */
export function openStatusLoop({ clock, telemetry, ...deps }: StatusLoopDeps): StatusLoop {
  /** What was written last, and when: what the watch knows may be older. */
  const written = new Map<string, { readonly at: Millis; readonly status: PolicyStatus }>();

  async function pass(signal: AbortSignal): Promise<void> {
    const subjects = await deps.subjects();
    const uids = new Set(subjects.map(({ id }) => id.uid));
    for (const uid of written.keys()) if (!uids.has(uid)) written.delete(uid);
    const due = subjects.flatMap((subject) => {
      const last = written.get(subject.id.uid);
      const previous = last?.status ?? subject.previous;
      const status = policyStatus({ ...subject, previous, now: clock.now(), textOf: decisionText });
      const change = statusChange(previous, status);
      const waitMs = change === 'meaning' ? MEANING_EVERY_MS : WORDS_EVERY_MS;
      const recent = last !== undefined && clock.now() - last.at < waitMs && clock.now() >= last.at;
      return change === 'none' || recent ? [] : [{ subject, previous, status, change }];
    });
    const first = due.sort((a, b) => Number(a.change === 'words') - Number(b.change === 'words'));
    for (const _ of first.slice(MOST_A_PASS)) telemetry.count('loopSkips', { loop: 'status', reason: 'rate' });
    await inParallel(first.slice(0, MOST_A_PASS), AT_ONCE, async ({ subject, previous, status }) => {
      if (!signal.aborted) await writeOne(subject, previous, status, signal);
    });
  }

  async function writeOne(
    { id }: StatusSubject,
    previous: PolicyStatus | undefined,
    status: ToldStatus,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      const outcome = await deps.write(id, status, signal);
      telemetry.count('statusWrites', { outcome });
      if (outcome === 'gone') return;
      written.set(id.uid, { at: clock.now(), status });
      for (const event of announcements(previous, status)) await deps.announce(id, event, signal);
    } catch (error) {
      if (signal.aborted) return;
      telemetry.count('statusWrites', { outcome: 'failed' });
      telemetry.count('loopFailures', { loop: 'status', reason: reasonOf(error) });
      telemetry.log.warn(
        { err: error, namespace: id.namespace, policy: id.name },
        'cannot tell a policy in its status',
      );
    }
  }

  const { intervalMs } = deps;
  return { pass, run: (signal) => runLoop({ name: 'status', intervalMs, clock, telemetry }, pass, signal) };
}

/** What people should hear of, each time that it begins and ends. */
function announcements(before: PolicyStatus | undefined, after: ToldStatus): readonly Announcement[] {
  const was = (type: string) => before?.conditions?.find((condition) => condition.type === type)?.status;
  return after.conditions.flatMap((condition): Announcement[] => {
    const { type, status, reason, message } = condition;
    if (was(type) === status) return [];
    if (isBad(condition)) return [{ type: 'Warning', reason, message }];
    if (type === 'Accepted') return [{ type: 'Normal', reason: 'Accepted', message }];
    // The end of what was announced.
    if (status === 'False' && was(type) === 'True' && type !== 'Active') {
      return [{ type: 'Normal', reason: `${type}Over`, message }];
    }
    return [];
  });
}

function isBad({ type, status }: ToldCondition): boolean {
  return type === 'Accepted' ? status === 'False' : type !== 'Active' && status === 'True';
}
