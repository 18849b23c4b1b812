import { describe, expect, test } from 'vitest';
import { DAY, MINUTE } from '../model/time.ts';
import {
  ALARM_DEFAULTS,
  type AlarmEvent,
  type AlarmOptions,
  type AlarmState,
  createAlarm,
  type Judged,
  learnNormal,
  takeMissing,
  takeVerdict,
} from './alarm.ts';

/** A sample a minute: `.` quiet, `a` a score of 0.65, `i` of 0.9, `d` the same downward, `o` outside of the band alone, `f` as far but followed by the band, `t` the same by the time of day, `m` a muted 0.9, ` ` none. */
function play(state: AlarmState, script: string, some: Partial<AlarmOptions> = {}, from = 0) {
  const options = { ...ALARM_DEFAULTS, holdOffMs: 0, ...some };
  const events: [at: number, kind: string, severity: string][] = [];
  const anomalous: number[] = [];
  [...script].forEach((letter, i) => {
    const time = (from + i) * MINUTE;
    const step =
      letter === ' '
        ? takeMissing(state, options, { time, stepMs: MINUTE, expected: 100, muted: false })
        : takeVerdict(state, options, { time, ...sampleOf(letter) });
    if (step.event !== undefined) events.push([from + i, step.event.kind, step.event.anomaly.severity]);
    anomalous.push(step.anomalous ? 1 : 0);
  });
  return { events, anomalous: anomalous.join('') };
}

function sampleOf(letter: string): { value: number; judged: Judged; muted: boolean } {
  const score = { a: 0.65, i: 0.9, d: 0.9, m: 0.9 }[letter] ?? 0.1;
  const value = letter === 'd' ? 50 : letter === '.' ? 101 : 150;
  const bounds =
    letter === 'f' || letter === 't'
      ? { expected: 148, lower: 120, upper: 180, dayMean: letter === 't' ? 160 : 100, rhythm: 1 }
      : { expected: 100, lower: 90, upper: 110, dayMean: 100, rhythm: 1 };
  const judged = { ...bounds, score, learning: false };
  const part = score > 0.5 ? 'jump' : undefined;
  return { value, judged: { ...judged, part, direction: letter === 'd' ? 'down' : 'up' }, muted: letter === 'm' };
}

const QUIET = '.'.repeat(12);

describe('takeVerdict()', () => {
  test.each<{ name: string; script: string; options?: Partial<AlarmOptions>; want: [number, string, string][] }>([
    {
      name: 'begins with the first striking sample, and ends after five quiet ones',
      script: '..a.....',
      want: [
        [2, 'begun', 'alert'],
        [7, 'ended', 'alert'],
      ],
    },
    {
      name: 'becomes an incident when it is more striking, once',
      script: '.aiii',
      want: [
        [1, 'begun', 'alert'],
        [2, 'changed', 'incident'],
      ],
    },
    {
      name: 'goes on while samples are outside of what was expected',
      script: '.aoooooooo.....',
      want: [
        [1, 'begun', 'alert'],
        [14, 'ended', 'alert'],
      ],
    },
    { name: 'is not begun by what lies outside alone', script: '..oooooo', want: [] },
    { name: 'is not begun by a muted sample', script: '..mmmm', want: [] },
    {
      name: 'needs N of M',
      script: 'a..a.aa..',
      options: { strikes: 3, of: 4 },
      want: [[6, 'begun', 'alert']],
    },
    { name: 'looks at one direction where that is asked for', script: '.ii', options: { direction: 'down' }, want: [] },
    {
      name: 'takes the other direction',
      script: '.d',
      options: { direction: 'down' },
      want: [[1, 'begun', 'incident']],
    },
    { name: 'needs the least deviation', script: '.i', options: { leastDeviation: 51 }, want: [] },
    { name: 'needs the least relative deviation', script: '.i', options: { leastRatio: 0.51 }, want: [] },
    {
      name: 'holds off after an end',
      script: 'a.....a.....a',
      options: { holdOffMs: 5 * MINUTE },
      want: [
        [0, 'begun', 'alert'],
        [5, 'ended', 'alert'],
        [12, 'begun', 'alert'],
      ],
    },
    {
      name: 'goes on while it stays as far away, though what is expected follows it',
      script: '.iffffffffffff.....',
      want: [
        [1, 'begun', 'incident'],
        [18, 'ended', 'incident'],
      ],
    },
    {
      name: 'ends where the time of day brings as much',
      // The line goes with the day from a quarter of an hour to the next.
      script: '.iffffffffffttttttttt',
      want: [
        [1, 'begun', 'incident'],
        [19, 'ended', 'incident'],
      ],
    },
    {
      name: 'goes on after a hold-off, too',
      script: 'a.....afffffffff',
      options: { holdOffMs: 5 * MINUTE },
      want: [
        [0, 'begun', 'alert'],
        [5, 'ended', 'alert'],
        [10, 'begun', 'alert'],
      ],
    },
    {
      name: 'begins within the hold-off with what is more severe',
      script: 'a.....i',
      options: { holdOffMs: 5 * MINUTE },
      want: [
        [0, 'begun', 'alert'],
        [5, 'ended', 'alert'],
        [6, 'begun', 'incident'],
      ],
    },
    {
      name: 'begins within the hold-off with what goes the other way',
      script: 'i.....d',
      options: { holdOffMs: 5 * MINUTE },
      want: [
        [0, 'begun', 'incident'],
        [5, 'ended', 'incident'],
        [6, 'begun', 'incident'],
      ],
    },
    {
      name: 'begins after missing samples with what is too many at once',
      script: '............         ......a',
      options: { holdOffMs: 20 * MINUTE },
      want: [
        [16, 'begun', 'alert'],
        [21, 'ended', 'alert'],
        [27, 'begun', 'alert'],
      ],
    },
    {
      name: 'tells what was held at the end of the hold-off, where it goes on though the detector has told it',
      script: 'a.....aooooooo',
      options: { holdOffMs: 5 * MINUTE },
      want: [
        [0, 'begun', 'alert'],
        [5, 'ended', 'alert'],
        [10, 'begun', 'alert'],
      ],
    },
    {
      name: 'lets what was held go where the series fell silent meanwhile',
      script: `............a.....a${' '.repeat(30)}........`,
      options: { holdOffMs: 10 * MINUTE, missingAfter: 20 },
      want: [
        [12, 'begun', 'alert'],
        [17, 'ended', 'alert'],
        [38, 'begun', 'alert'],
        [49, 'ended', 'alert'],
      ],
    },
    {
      name: 'lets what was held go where it was muted',
      script: 'a.....ammoooooo',
      options: { holdOffMs: 5 * MINUTE },
      want: [
        [0, 'begun', 'alert'],
        [5, 'ended', 'alert'],
      ],
    },
    {
      name: 'has other thresholds where they are set',
      script: '.a.i',
      options: { alertScore: 0.7, incidentScore: 0.95 },
      want: [[3, 'begun', 'alert']],
    },
  ])('$name', ({ script, options, want }) => {
    expect(play(createAlarm(), script, options).events).toEqual(want);
  });

  test('starts when the first of the strikes came, and is confirmed by them', () => {
    const state = createAlarm();
    play(state, '.a.a', { strikes: 2, of: 3 });
    expect(state.open).toMatchObject({ since: MINUTE, confirmed: true, severity: 'alert' });
    const one = createAlarm();
    play(one, '.a');
    expect(one.open).toMatchObject({ confirmed: false });
  });

  test('what lasts for a day is the new usual', () => {
    const state = createAlarm();
    const { events } = play(state, `a${'o'.repeat(DAY / MINUTE + 2)}`);
    expect(events.at(-1)).toEqual([DAY / MINUTE, 'ended', 'alert']);
  });

  test('says nothing while its detector learns', () => {
    const { judged, ...sample } = sampleOf('i');
    const learning = { ...judged, learning: true };
    const step = takeVerdict(createAlarm(), ALARM_DEFAULTS, { time: 0, ...sample, judged: learning });
    expect(step).toEqual({ event: undefined, anomalous: false });
  });

  test('its state is JSON, and goes on from it as before', () => {
    const script = '..a.oo.i....a.. ........a';
    const whole = play(createAlarm(), QUIET + script);
    for (let cut = 0; cut <= script.length; cut++) {
      const state = createAlarm();
      const before = play(state, QUIET + script.slice(0, cut));
      const restored = { ...createAlarm(), ...(JSON.parse(JSON.stringify(state)) as AlarmState) };
      const after = play(restored, script.slice(cut), {}, QUIET.length + cut);
      expect([...before.events, ...after.events]).toEqual(whole.events);
    }
  });
});

describe('takeMissing()', () => {
  test('a series without a sample for five of its usual intervals is missing, until it is back', () => {
    const state = createAlarm();
    const { events, anomalous } = play(state, `${QUIET}        .`);
    expect(events).toEqual([
      [QUIET.length + 4, 'begun', 'alert'],
      [QUIET.length + 8, 'ended', 'alert'],
    ]);
    expect(anomalous.slice(QUIET.length)).toBe('000011110');
  });

  test('a gap of fourteen intervals is an incident', () => {
    const state = createAlarm();
    expect(play(state, QUIET + ' '.repeat(14)).events.at(-1)?.[2]).toBe('incident');
  });

  test('a series that comes seldom is given more time', () => {
    const state = createAlarm();
    play(state, '.         '.repeat(12), { missingAfter: 0 });
    expect(play(state, ' '.repeat(30), {}, 120).events).toEqual([]);
    expect(play(state, ' '.repeat(30), {}, 150).events.length).toBe(1);
  });

  test.each([
    { name: 'that nobody watches for it', script: QUIET, options: { missingAfter: 0 } },
    { name: 'of which too few samples are known', script: '....', options: {} },
  ])('not a series $name', ({ script, options }) => {
    expect(play(createAlarm(), script + ' '.repeat(20), options).events).toEqual([]);
  });
});

describe('learnNormal()', () => {
  const begun = (script: string) => {
    const state = createAlarm();
    play(state, script);
    return { state, anomaly: state.open! };
  };

  test('ends what is going on, and one as large is none from then on', () => {
    const { state, anomaly } = begun('..i');
    const { event } = learnNormal(state, anomaly, 3 * MINUTE);
    expect(event).toMatchObject({ kind: 'ended', why: 'normal' } satisfies Partial<AlarmEvent>);
    expect(play(state, '..i.i', {}, 4).events).toEqual([]);
  });

  test('one in the other direction still is, and so is one after three months', () => {
    const { state, anomaly } = begun('..i');
    learnNormal(state, anomaly, 3 * MINUTE);
    expect(play(state, '.d.....', {}, 4).events[0]).toEqual([5, 'begun', 'incident']);
    expect(play(state, '.i', {}, (91 * DAY) / MINUTE).events.length).toBe(1);
  });

  test('a gap as long is none either', () => {
    const { state, anomaly } = begun(`${QUIET}      `);
    learnNormal(state, anomaly, 18 * MINUTE);
    expect(play(state, QUIET, {}, 18).events).toEqual([]);
    expect(play(state, '      ', {}, 30).events).toEqual([]);
    expect(play(state, '        ', {}, 36).events.length).toBe(1);
  });

  test('keeps the last lessons alone', () => {
    const { state, anomaly } = begun('..i');
    for (let i = 0; i < 50; i++) learnNormal(state, anomaly, i);
    expect(state.lessons.length).toBe(8);
  });
});
