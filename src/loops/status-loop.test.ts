import { expect, test } from 'vitest';
import type { PolicyStatus } from '../scaling/policy-status.ts';
import { recordedTelemetry } from '../testing/loop-telemetry.ts';
import { simClock } from '../testing/sim-clock.ts';
import { openStatusLoop, type StatusSubject } from './status-loop.ts';

const subject = (name: string, change: Partial<StatusSubject> = {}): StatusSubject => ({
  id: { namespace: 'shop', name, uid: `uid-${name}`, apiVersion: 'foresail.dev/v1alpha1' },
  generation: 1,
  previous: undefined,
  verdict: { kind: 'invalid', message: 'it is wrong' },
  policy: undefined,
  last: undefined,
  notes: undefined,
  ...change,
});

function world(subjects: StatusSubject[]) {
  const clock = simClock(1_800_000_000_000);
  const telemetry = recordedTelemetry();
  const written: { readonly name: string; readonly status: PolicyStatus }[] = [];
  const announced: string[] = [];
  const answers: { write: () => Promise<'written' | 'gone'> } = { write: async () => 'written' };
  const loop = openStatusLoop({
    clock,
    telemetry,
    subjects: async () => subjects,
    write: async ({ name }, status) => {
      const outcome = await answers.write();
      if (outcome === 'written') written.push({ name, status });
      return outcome;
    },
    announce: async ({ name }, { type, reason }) => void announced.push(`${name} ${type} ${reason}`),
    intervalMs: 15_000,
  });
  const pass = async (afterMs = 15_000) => {
    await clock.advance(afterMs);
    await loop.pass(new AbortController().signal);
  };
  return { pass, written, announced, answers, telemetry };
}

test('a status is written once, and again when it means something else', async () => {
  const subjects = [subject('cart')];
  const { pass, written, announced } = world(subjects);
  await pass();
  await pass();
  expect(written).toHaveLength(1);
  subjects[0] = subject('cart', {
    generation: 2,
    verdict: { kind: 'overridden', message: 'a file', conflict: 'a file' },
  });
  await pass();
  expect(written).toHaveLength(2);
  expect(announced).toEqual(['cart Warning Invalid', 'cart Warning SourcesDiffer']);
});

test('what the cluster has already is not written after a restart', async () => {
  const subjects = [subject('cart')];
  const first = world(subjects);
  await first.pass();
  const second = world([subject('cart', { previous: first.written[0]!.status })]);
  await second.pass();
  expect(second.written).toEqual([]);
});

test('words alone are written every five minutes at most', async () => {
  const subjects = [subject('cart')];
  const { pass, written } = world(subjects);
  for (let i = 0; i < 40; i++) {
    subjects[0] = subject('cart', { verdict: { kind: 'invalid', message: `it is wrong ${i} times` } });
    await pass();
  }
  expect(written).toHaveLength(2);
});

test('a write that fails is counted and tried again, and one that is gone stops no other', async () => {
  const { pass, written, answers, telemetry } = world([subject('cart'), subject('search')]);
  answers.write = async () => {
    throw new Error('no answer');
  };
  await pass();
  expect(telemetry.counts.get('statusWrites{outcome=failed}')).toBe(2);
  let asked = 0;
  answers.write = async () => (asked++ === 0 ? 'gone' : 'written');
  await pass();
  expect(written.map(({ name }) => name)).toEqual(['search']);
});

test('of very many, those of one pass are bounded and the rest follows', async () => {
  const { pass, written } = world(Array.from({ length: 700 }, (_, i) => subject(`p${i}`)));
  await pass();
  expect(written).toHaveLength(300);
  await pass();
  await pass();
  expect(new Set(written.map(({ name }) => name)).size).toBe(700);
});
