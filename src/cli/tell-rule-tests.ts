import { formatLabels } from '../model/labels.ts';
import { formatDuration } from '../model/time.ts';
import { formatFloat } from '../promql/format-float.ts';
import type { SeenAlert, SeenSample, TestFailure } from '../rules/run-test.ts';

/** A failure for people: where the case stands, what was expected, and what came. */
export function failureLines(file: string, test: string, failure: TestFailure): readonly string[] {
  const { line, column } = failure.place;
  const head = `${file}:${line}:${column}: name: ${test}, `;
  switch (failure.kind) {
    case 'error':
      return [head + failure.message];
    case 'alerts': {
      const what = `alertname: ${failure.alertname}, time: ${formatDuration(failure.atMs)}`;
      return [head + what, ...alertLines('exp', failure.expected), ...alertLines('got', failure.got)];
    }
    case 'samples': {
      const what = `expr: ${JSON.stringify(failure.expression)}, time: ${formatDuration(failure.atMs)}`;
      return [head + what, ...sampleLines('exp', failure.expected), ...sampleLines('got', failure.got)];
    }
  }
}

/** The same for machines. Times are in seconds since the test's start. */
export function plainFailure(failure: TestFailure): object {
  const { line, column } = failure.place;
  if (failure.kind === 'error') return { kind: 'error', line, column, message: failure.message };
  const time = failure.atMs / 1000;
  if (failure.kind === 'alerts') {
    const alerts = (all: readonly SeenAlert[]) =>
      all.map(({ labels, annotations }) => {
        return { labels: Object.fromEntries(labels), annotations: Object.fromEntries(annotations) };
      });
    const { alertname, expected, got } = failure;
    return { kind: 'alerts', line, column, alertname, time, expected: alerts(expected), got: alerts(got) };
  }
  const samples = (all: readonly SeenSample[]) =>
    all.map(({ labels, value, histogram }) => {
      const about = histogram === undefined ? { value: formatFloat(value) } : { histogram };
      return { labels: Object.fromEntries(labels), ...about };
    });
  const { expression, expected, got } = failure;
  return { kind: 'samples', line, column, expr: expression, time, expected: samples(expected), got: samples(got) };
}

function alertLines(which: 'exp' | 'got', alerts: readonly SeenAlert[]): readonly string[] {
  if (alerts.length === 0) return [`    ${which}: []`];
  return alerts.flatMap(({ labels, annotations }, i) => [
    `    ${i === 0 ? `${which}:` : '    '} ${i}: labels ${formatLabels(labels)}`,
    `            annotations ${formatLabels(annotations)}`,
  ]);
}

function sampleLines(which: 'exp' | 'got', samples: readonly SeenSample[]): readonly string[] {
  if (samples.length === 0) return [`    ${which}: nil`];
  return samples.map(({ labels, value, histogram }, i) => {
    return `    ${i === 0 ? `${which}:` : '    '} ${formatLabels(labels)} ${histogram ?? formatFloat(value)}`;
  });
}
