import { group } from './rule-file-cases.ts';

/** A file of unit tests on rules of its own. */
export interface TestFileCase {
  readonly name: string;
  /** A file of rules; left out: there is none. */
  readonly rules?: string;
  readonly tests: string;
  /** A part of what is said where the tests do not pass. */
  readonly fault?: string;
}

/** One test of an expression on a series `a`, a minute apart, after five minutes. */
function counts(values: string, want: number | string): string {
  const sample = typeof want === 'number' ? `{value: ${want}}` : want;
  return `tests:\n- input_series: [{series: a, values: '${values}'}]\n  promql_expr_test: [{expr: 'count_over_time(a[10m])', eval_time: 5m, exp_samples: [${sample}]}]\n`;
}

/** One test with the series `up 1` for five minutes, and more of it. */
function onUp(...lines: readonly string[]): string {
  const test = ["- input_series: [{series: 'up{job=\"a\"}', values: '1x5'}]", ...lines.map((line) => `  ${line}`)];
  return ['rule_files: [rules.yaml]', 'tests:', ...test, ''].join('\n');
}

const ALERT = group('- {alert: A, expr: up == 1, for: 2m, labels: {s: x}, annotations: {t: "{{ $value }}"}}');

const EMPTY = group('- {alert: A, expr: up == 1, labels: {e: ""}, annotations: {t: "{{ $labels.nothing }}"}}');

/** Files of unit tests that promtool judges as we do: they pass where there is no fault. */
export const TEST_FILES: readonly TestFileCase[] = [
  { name: 'nothing', tests: '' },
  { name: 'no tests', tests: 'rule_files: []\ntests: []\n' },
  { name: 'rules that are not there', tests: 'rule_files: [absent.yaml, absent-*.yaml]\ntests:\n- {}\n' },
  { name: 'numbers', tests: counts('1 2.5 -3 1e3 .5 Inf', 6) },
  { name: 'NaN and infinities', tests: counts('NaN nan +Inf -inf inf', 5) },
  { name: 'runs', tests: counts('0+1x2 5-1x2', 6) },
  { name: 'a value over and over', tests: counts('7x5', 6) },
  { name: 'a number from the run before', tests: counts('1 +1x2', 4) },
  { name: 'gaps', tests: counts('1 _ 2 _x2 3', 3) },
  { name: 'a staleness marker', tests: counts('1 stale 2', 2) },
  { name: 'digits in groups', tests: counts('1_000x1', 2) },
  {
    name: 'histograms',
    tests: counts('{{}} {{schema:1 count:3 buckets:[1 2]}}x2 {{count:1 buckets:[1]}}+{{count:1 buckets:[1]}}x1', 6),
  },
  {
    name: 'a histogram with all fields',
    tests: counts(
      '{{schema:1 sum:-0.3 count:32.1 z_bucket:7.1 z_bucket_w:0.05 buckets:[5.1 10 7] offset:-3 n_buckets:[4.1 5] n_offset:-5 counter_reset_hint:gauge}}',
      1,
    ),
  },
  { name: 'custom buckets', tests: counts('{{schema:-53 custom_values:[1 2] buckets:[1 2 3] count:6}}x1', 2) },
  { name: 'no values', tests: counts('', '') },
  { name: 'no labels and no value', tests: "tests:\n- promql_expr_test: [{expr: '0', exp_samples: [{}]}]\n" },
  { name: 'a scalar', tests: "tests:\n- promql_expr_test: [{expr: '1 + 1', exp_samples: [{value: 2}]}]\n" },
  { name: 'infinity', tests: "tests:\n- promql_expr_test: [{expr: '1 / 0', exp_samples: [{value: .inf}]}]\n" },
  {
    name: 'a value as a hexadecimal number',
    tests: "tests:\n- promql_expr_test: [{expr: '16', exp_samples: [{value: 0x10}]}]\n",
  },
  {
    name: 'labels in another order',
    tests:
      'tests:\n- {input_series: [{series: \'a{c="d",b="c"}\', values: 1}], promql_expr_test: [{expr: a, exp_samples: [{labels: \'a{b="c", c="d"}\', value: 1}]}]}\n',
  },
  {
    name: 'an alert',
    rules: ALERT,
    tests: onUp(
      'alert_rule_test: [{eval_time: 2m, alertname: A, exp_alerts: [{exp_labels: {job: a, s: x}, exp_annotations: {t: 1}}]}]',
    ),
  },
  { name: 'an alert that is pending', rules: ALERT, tests: onUp('alert_rule_test: [{eval_time: 1m, alertname: A}]') },
  {
    name: 'external labels',
    rules: group('- {alert: A, expr: up, annotations: {t: "{{ $externalLabels.r }} {{ $externalURL }}"}}'),
    tests: onUp(
      'external_labels: {r: e}',
      'external_url: http://x',
      'alert_rule_test: [{alertname: A, exp_alerts: [{exp_labels: {job: a}, exp_annotations: {t: e http://x}}]}]',
    ),
  },
  {
    name: 'a group in two files',
    rules: group('- {record: b, expr: up}'),
    tests: `${onUp('promql_expr_test: [{expr: b, eval_time: 1m, exp_samples: [{labels: \'b{job="a"}\', value: 1}]}]')}group_eval_order: [g]\n`,
  },
  {
    name: 'as many as the limit',
    rules: 'groups:\n- {name: g, limit: 1, rules: [{record: b, expr: up}, {alert: A, expr: up}]}\n',
    tests: onUp('alert_rule_test: [{eval_time: 1m, alertname: A, exp_alerts: [{exp_labels: {job: a}}]}]'),
  },
  {
    name: 'the same sample by two rules',
    rules: group('- {record: b, expr: up}', '- {record: b, expr: up * 1}'),
    tests: onUp('promql_expr_test: [{expr: count(b), eval_time: 3m, exp_samples: [{value: 1}]}]'),
  },
  {
    name: 'a subquery without a step',
    rules: group('- {record: b, expr: "count_over_time(up[4m:])"}'),
    tests: `evaluation_interval: 2m\n${onUp('interval: 1m', 'promql_expr_test: [{expr: b, eval_time: 4m, exp_samples: [{labels: \'b{job="a"}\', value: 2}]}]')}`,
  },

  { name: 'a value that differs', tests: counts('1', 2), fault: 'exp: {} 2' },
  { name: 'a sample too many', tests: counts('1', ''), fault: 'exp: nil' },
  { name: 'a sample that is not there', tests: counts('', 1), fault: 'got: nil' },
  {
    name: 'NaN, which nothing equals',
    tests: "tests:\n- promql_expr_test: [{expr: '0 / 0', exp_samples: [{value: .nan}]}]\n",
    fault: 'got: {} NaN',
  },
  {
    name: 'another label',
    tests:
      'tests:\n- {input_series: [{series: a, values: 1}], promql_expr_test: [{expr: a, exp_samples: [{labels: b, value: 1}]}]}\n',
    fault: 'exp: b 1',
  },
  {
    name: 'another histogram',
    tests:
      "tests:\n- {input_series: [{series: a, values: '{{count:1}}'}], promql_expr_test: [{expr: a, exp_samples: [{labels: a, histogram: '{{count:2}}'}]}]}\n",
    fault: 'got: a {{count:1}}',
  },
  {
    name: 'a histogram of two values',
    tests: "tests:\n- promql_expr_test: [{expr: '1', exp_samples: [{histogram: '{{}}x1'}]}]\n",
    fault: 'expected 1 value, got 2',
  },
  {
    name: 'a histogram that is a float',
    tests: "tests:\n- promql_expr_test: [{expr: '1', exp_samples: [{histogram: '1'}]}]\n",
    fault: 'expected histogram, got 1',
  },
  {
    name: 'an alert too early',
    rules: ALERT,
    tests: onUp('alert_rule_test: [{eval_time: 1m59s, alertname: A, exp_alerts: [{exp_labels: {job: a, s: x}}]}]'),
    fault: 'got: []',
  },
  {
    name: 'an annotation that differs',
    rules: ALERT,
    tests: onUp(
      'alert_rule_test: [{eval_time: 2m, alertname: A, exp_alerts: [{exp_labels: {job: a, s: x}, exp_annotations: {t: 2}}]}]',
    ),
    fault: 'annotations {t="1"}',
  },
  {
    name: 'an alert that is not expected',
    rules: ALERT,
    tests: onUp('alert_rule_test: [{eval_time: 3m, alertname: A, exp_alerts: []}]'),
    fault: 'exp: []',
  },
  {
    name: 'an alert without a name',
    rules: ALERT,
    tests: onUp('alert_rule_test: [{eval_time: 3m, exp_alerts: []}]'),
    fault: 'misses required attribute alertname at eval_time 3m',
  },
  {
    name: 'PromQL that is none',
    tests: "tests:\n- promql_expr_test: [{expr: 'sum(', exp_samples: []}]\n",
    fault: '1:5: parse error',
  },
  {
    name: 'a matrix',
    tests: "tests:\n- promql_expr_test: [{expr: 'a[5m]', exp_samples: []}]\n",
    fault: 'rule result is not a vector or scalar',
  },
  {
    name: 'a rule that cannot be evaluated',
    rules: group(
      '- {record: b, expr: "label_replace(up, \\"job\\", \\"x\\", \\"\\", \\"\\") or label_replace(up * 2, \\"a\\", \\"b\\", \\"\\", \\"\\")"}',
      '- {record: c, expr: "\'text\'"}',
    ),
    tests: onUp('promql_expr_test: [{expr: c, eval_time: 1m, exp_samples: []}]'),
    fault: 'rule: c, time: 0s, err: rule result is not a vector or scalar',
  },
  {
    name: 'series that are the same with the labels of the rule',
    rules: group("- {record: b, expr: \"up or on (job, x) label_replace(up, 'x', 'y', '', '')\", labels: {x: z}}"),
    tests: onUp('promql_expr_test: [{expr: b, exp_samples: []}]'),
    fault: 'vector contains metrics with the same labelset after applying rule labels',
  },
  {
    name: 'alerts that are the same',
    rules: group("- {alert: A, expr: \"up or on (job, x) label_replace(up, 'x', 'y', '', '')\", labels: {x: z}}"),
    tests: onUp('alert_rule_test: [{alertname: A, exp_alerts: []}]'),
    fault: 'vector contains metrics with the same labelset after applying alert labels',
  },
  {
    name: 'more series than the limit',
    rules:
      "groups:\n- {name: g, limit: 1, rules: [{record: b, expr: \"up or on (job, x) label_replace(up, 'x', 'y', '', '')\"}]}\n",
    tests: onUp('promql_expr_test: [{expr: b, exp_samples: []}]'),
    fault: 'exceeded limit of 1 with 2 series',
  },
  {
    name: 'more alerts than the limit',
    rules:
      "groups:\n- {name: g, limit: 1, rules: [{alert: A, expr: \"up or on (job, x) label_replace(up, 'x', 'y', '', '')\"}]}\n",
    tests: onUp('alert_rule_test: [{alertname: A, exp_alerts: []}]'),
    fault: 'exceeded limit of 1 with 2 alerts',
  },
  {
    name: 'another sample by the next rule',
    rules: group('- {record: b, expr: up}', '- {record: b, expr: up * 2}'),
    tests: onUp('promql_expr_test: [{expr: b, exp_samples: []}]'),
    fault: 'rule: b, time: 0s, err: ',
  },
  {
    name: 'rules that are none',
    rules: group('- {record: b, expr: "sum("}'),
    tests: onUp(),
    fault: 'could not parse expression: 1:5: parse error',
  },
  {
    name: 'a series that does not end',
    tests: "tests:\n- input_series: [{series: 'a{b=\"c\"', values: '1'}]\n",
    fault: 'parse error',
  },
  {
    name: 'a series with a regular expression',
    tests: "tests:\n- input_series: [{series: 'a{b=~\"c\"}', values: '1'}]\n",
    fault: 'expected "=" in a series',
  },
  ...['1x', '1+x2', '1+1', 'stalex5', 'NaNx5', 'stale x5', 'abc', '1 -1-1x2 -1+-1x2'].map((values) => ({
    name: `values ${values}`,
    tests: counts(values, 1),
    fault: 'not in the notation of series',
  })),
  ...[
    '1{{}}',
    '{{buckets:[]}}',
    '{{count:1}} + {{count:2}}x2',
    '{{count:1}}+{{count:2}}',
    '{{count:x}}',
    '{{schema:1.5}}',
    '{{count:1 ',
  ].map((values) => ({ name: `values ${values}`, tests: counts(values, 1), fault: 'not in the notation of series' })),
  {
    name: 'a field of a histogram that is not known',
    tests: counts('{{foo:1}}', 1),
    fault: 'bad histogram descriptor found: "foo"',
  },
  {
    name: 'a field of a histogram twice',
    tests: counts('{{schema:1 schema:2}}', 1),
    fault: 'duplicate key "schema" in histogram',
  },
  { name: 'a schema that there is not', tests: counts('{{schema:99}}', 1), fault: 'histogram has an invalid schema' },
  {
    name: 'an unknown field',
    tests: 'testss: []\n',
    fault: '1:1: field testss not found in a file of tests; did you mean "tests"?',
  },
  {
    name: 'an unknown field of a test',
    tests: 'tests:\n- {namee: a}\n',
    fault: '2:4: field namee not found in a test',
  },
  {
    name: 'an unknown field of a case',
    tests: 'tests:\n- alert_rule_test: [{eval: 1m}]\n',
    fault: 'field eval not found',
  },
  { name: 'a field twice', tests: 'tests: []\ntests: []\n', fault: 'mapping key "tests" already defined at line 1' },
  {
    name: 'a time that is none',
    tests: 'tests:\n- alert_rule_test: [{eval_time: 1x, alertname: A}]\n',
    fault: 'not a duration: "1x"',
  },
  {
    name: 'a start that is a day',
    tests: 'tests:\n- start_timestamp: 2026-08-03\n',
    fault: 'not a time: "2026-08-03"',
  },
  {
    name: 'an annotation that is empty',
    rules: EMPTY,
    tests: onUp('alert_rule_test: [{alertname: A, exp_alerts: [{exp_labels: {job: a}, exp_annotations: {t: ""}}]}]'),
  },
  {
    name: 'an annotation that is empty and not expected',
    rules: EMPTY,
    tests: onUp('alert_rule_test: [{alertname: A, exp_alerts: [{exp_labels: {job: a}}]}]'),
    fault: 'annotations {t=""}',
  },
  {
    name: 'a label that is expected to be empty',
    rules: EMPTY,
    tests: onUp(
      'alert_rule_test: [{alertname: A, exp_alerts: [{exp_labels: {job: a, e: ""}, exp_annotations: {t: ""}}]}]',
    ),
    fault: 'e=""',
  },
  { name: 'a start that is none', tests: 'tests:\n- start_timestamp: soon\n', fault: 'not a time: "soon"' },
  {
    name: 'a value that is a text',
    tests: "tests:\n- promql_expr_test: [{expr: '1', exp_samples: [{value: NaN}]}]\n",
    fault: 'expected value to be a number',
  },
  {
    name: 'a group twice in the order',
    tests: 'group_eval_order: [a, a]\n',
    fault: 'group name repeated in evaluation order: a',
  },
  { name: 'a list', tests: '- a\n', fault: 'expected a file of tests to be a mapping' },
];
