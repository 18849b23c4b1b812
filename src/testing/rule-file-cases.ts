/** A file of rules, and what there is to say about it. */
export interface RuleFileCase {
  readonly name: string;
  readonly text: string;
  /** `line:column` and a part of each message, in order; none: it is right. */
  readonly problems: readonly (readonly [place: string, part: string])[];
}

/** A file of one group, `g`, with these lines of rules. */
export function group(...lines: readonly string[]): string {
  return ['groups:', '- name: g', '  rules:', ...lines.map((line) => `  ${line}`), ''].join('\n');
}

/** Files of rules that promtool judges as we do: right where there are no problems. */
export const RULE_FILES: readonly RuleFileCase[] = [
  { name: 'nothing', text: '', problems: [] },
  { name: 'a comment alone', text: '# none yet\n', problems: [] },
  { name: 'no groups', text: 'groups:\n', problems: [] },
  { name: 'a group without rules', text: 'groups:\n- name: g\n', problems: [] },
  { name: 'JSON', text: '{"groups": [{"name": "g", "rules": [{"record": "a", "expr": "1"}]}]}', problems: [] },
  {
    name: 'numbers and booleans as texts',
    text: group('- {record: a, expr: 1, labels: {b: 5, c: true, d: 1.50}}'),
    problems: [],
  },
  { name: 'an empty item', text: group('-', '- {record: a, expr: 1}'), problems: [] },
  { name: 'an empty label', text: group('- {record: a, expr: 1, labels: {b: , c: ""}}'), problems: [] },
  { name: 'names in UTF-8', text: group('- {record: "a.b c", expr: 1, labels: {"d-e": f, "ü": "ß"}}'), problems: [] },
  {
    name: 'all fields',
    text: 'groups:\n- {name: g, interval: 1m30s, query_offset: 0s, limit: 5, labels: {a: b}, rules: [{alert: a, expr: up, for: 1d, keep_firing_for: 5m, labels: {c: d}, annotations: {e: f}}]}\n',
    problems: [],
  },
  {
    name: 'an anchor',
    text: 'groups:\n- name: &n g\n  rules:\n  - &r {record: a, expr: 1}\n  - {<<: *r, record: *n}\n',
    problems: [],
  },
  {
    name: 'a merged key that is there',
    text: 'groups:\n- name: g\n  rules:\n  - &r {record: a, expr: 1}\n  - {record: b, <<: *r}\n',
    problems: [],
  },
  { name: 'a second document', text: `${group('- {record: a, expr: 1}')}---\ngroups: 5\n`, problems: [] },
  { name: 'a fraction as a limit', text: 'groups:\n- {name: g, limit: 1.5}\n', problems: [] },
  { name: 'a hexadecimal limit', text: 'groups:\n- {name: g, limit: 0x10}\n', problems: [] },
  {
    name: 'durations',
    text: 'groups:\n- {name: g, interval: 1y2w3d4h5m6s7ms, rules: [{alert: a, expr: up, for: 0}]}\n',
    problems: [],
  },
  {
    name: 'PromQL over lines',
    text: group('- record: a', '  expr: |', '    sum(', '      rate(b[5m])', '    ) by (c)'),
    problems: [],
  },
  {
    name: 'equal names of a group in other files',
    text: group('- {record: a, expr: 1}', '- {record: b, expr: a}'),
    problems: [],
  },
  {
    name: 'a template in a recording rule is none',
    text: group('- {record: a, expr: 1, labels: {b: "{{ foo }}"}}'),
    problems: [],
  },

  { name: 'a list', text: '- a\n', problems: [['1:1', 'expected a file of rules to be a mapping, got a list']] },
  {
    name: 'an unknown field of the file',
    text: 'foo: 1\n',
    problems: [['1:1', 'field foo not found in a file of rules']],
  },
  {
    name: 'an unknown field of a group',
    text: 'groups:\n- name: g\n  intervall: 1m\n',
    problems: [['3:3', 'field intervall not found in a group; did you mean "interval"?']],
  },
  {
    name: 'an unknown field of a rule',
    text: group('- record: a', '  expr: 1', '  sumary: x'),
    problems: [['6:5', 'field sumary not found in a rule']],
  },
  {
    name: 'a key twice',
    text: 'groups:\n- name: g\n  name: h\n',
    problems: [['3:3', 'mapping key "name" already defined at line 2']],
  },
  {
    name: 'a label twice',
    text: group('- record: a', '  expr: 1', '  labels: {b: c, b: d}'),
    problems: [['6:20', 'mapping key "b" already defined at line 6']],
  },
  {
    name: 'rules as a mapping',
    text: 'groups:\n- name: g\n  rules: {a: b}\n',
    problems: [['3:10', 'expected rules to be a list, got a mapping']],
  },
  {
    name: 'a label as a list',
    text: group('- {record: a, expr: 1, labels: {b: [1]}}'),
    problems: [['4:38', 'expected b to be a text, got a list']],
  },
  {
    name: 'an expression as a list',
    text: group('- {record: a, expr: [1]}'),
    problems: [['4:23', 'expected expr to be a text']],
  },
  { name: 'an unknown anchor', text: 'groups:\n- name: *n\n', problems: [['2:9', "unknown anchor 'n'"]] },
  { name: 'YAML that ends', text: 'groups: [\n', problems: [['2:1', 'flow sequence']] },
  { name: 'a tab', text: 'groups:\n\t- name: g\n', problems: [['2:1', 'ab']] },
  {
    name: 'a limit that is a text',
    text: 'groups:\n- {name: g, limit: "5"}\n',
    problems: [['2:20', 'expected limit to be a number']],
  },
  {
    name: 'a duration without a unit',
    text: 'groups:\n- {name: g, interval: 5}\n',
    problems: [['2:23', 'not a duration: "5"']],
  },
  {
    name: 'a duration of another unit',
    text: 'groups:\n- {name: g, interval: 5x}\n',
    problems: [['2:23', 'not a duration: "5x"']],
  },
  {
    name: 'a duration below 0',
    text: 'groups:\n- {name: g, query_offset: -5m}\n',
    problems: [['2:27', 'not a duration: "-5m"']],
  },
  {
    name: 'an empty duration',
    text: 'groups:\n- {name: g, interval: ""}\n',
    problems: [['2:23', 'empty duration string']],
  },
  {
    name: 'a duration in the wrong order',
    text: group('- {alert: a, expr: up, for: 1m1h}'),
    problems: [['4:31', 'not a duration: "1m1h"']],
  },
  {
    name: 'a duration that is too long',
    text: group('- {alert: a, expr: up, for: 300y}'),
    problems: [['4:31', 'duration out of range']],
  },

  {
    name: 'a group without a name',
    text: 'groups:\n- rules: []\n',
    problems: [['2:3', 'Groupname must not be empty']],
  },
  {
    name: 'a group twice',
    text: 'groups:\n- name: g\n- name: g\n',
    problems: [['3:3', 'groupname: "g" is repeated in the same file']],
  },
  {
    name: 'a label of a group',
    text: 'groups:\n- name: g\n  labels: {__name__: x}\n',
    problems: [['3:12', 'invalid label name: __name__']],
  },
  {
    name: 'neither record nor alert',
    text: group('- expr: 1'),
    problems: [['4:5', "one of 'record' or 'alert' must be set"]],
  },
  {
    name: 'both record and alert',
    text: group('- record: a', '  alert: b', '  expr: 1'),
    problems: [['5:5', "only one of 'record' and 'alert' must be set"]],
  },
  { name: 'no expression', text: group('- record: a'), problems: [['4:5', "field 'expr' must be set in rule"]] },
  {
    name: 'an empty expression',
    text: group('- record: a', '  expr: ""'),
    problems: [['5:5', "field 'expr' must be set in rule"]],
  },
  {
    name: 'PromQL that ends',
    text: group('- record: a', '  expr: sum('),
    problems: [
      ['5:15', 'group "g", rule 1, "a": could not parse expression: 1:5: parse error: unclosed left parenthesis'],
    ],
  },
  {
    name: 'PromQL in quotes',
    text: group('- record: a', "  expr: 'a b'"),
    problems: [['5:14', 'could not parse expression: 1:3: parse error']],
  },
  {
    name: 'PromQL in a block',
    text: group('- record: a', '  expr: |', '    up ==', '      0 0'),
    problems: [['7:11', 'could not parse expression: 2:5: parse error']],
  },
  {
    name: 'PromQL that is folded',
    text: group('- record: a', '  expr: >-', '    up', '    and foo bar'),
    problems: [['7:15', 'could not parse expression: 1:12: parse error']],
  },
  {
    name: 'an unknown function',
    text: group('- record: a', '  expr: 1 + foo(up)'),
    problems: [['5:15', 'unknown function with name "foo"']],
  },
  {
    name: 'a matrix',
    text: group('- {record: a, expr: "rate(up)"}'),
    problems: [['4:29', 'expected type range vector in call to function "rate"']],
  },
  {
    name: 'a time to wait in a recording rule',
    text: group('- record: a', '  expr: 1', '  for: 5m'),
    problems: [['6:5', "invalid field 'for' in recording rule"]],
  },
  {
    name: 'a time to go on in a recording rule',
    text: group('- record: a', '  expr: 1', '  keep_firing_for: 5m'),
    problems: [['6:5', "invalid field 'keep_firing_for' in recording rule"]],
  },
  {
    name: 'annotations of a recording rule',
    text: group('- record: a', '  expr: 1', '  annotations: {b: c}'),
    problems: [['6:5', "invalid field 'annotations' in recording rule"]],
  },
  {
    name: 'a metric with braces',
    text: group('- record: a{b="c"}', '  expr: 1'),
    problems: [['4:5', 'braces present in the recording rule name; should it be in expr?: a{b="c"}']],
  },
  {
    name: "a label that is the metric's name",
    text: group('- {record: a, expr: 1, labels: {__name__: b}}'),
    problems: [['4:35', 'invalid label name: __name__']],
  },
  {
    name: 'a label without a name',
    text: group('- {record: a, expr: 1, labels: {"": b}}'),
    problems: [['4:35', 'invalid label name: ']],
  },
  {
    name: 'a template with an unknown function',
    text: group('- alert: a', '  expr: up', '  annotations:', '    b: "x {{ foo }}"'),
    problems: [['7:16', 'annotation "b": template: __alert_a:1: function "foo" not defined']],
  },
  {
    name: 'a template with an unknown variable',
    text: group('- alert: a', '  expr: up', '  labels:', '    b: x {{ $foo }}'),
    problems: [['7:15', 'label "b": template: __alert_a:1: undefined variable "$foo"']],
  },
  {
    name: 'a template that does not end',
    text: group('- {alert: a, expr: up, annotations: {b: "{{ .Labels"}}'),
    problems: [['4:54', 'unclosed action']],
  },
  {
    name: 'faults of several rules',
    text: group('- {record: a, expr: "("}', '- {alert: b, expr: ")"}'),
    problems: [
      ['4:25', 'rule 1, "a"'],
      ['5:24', 'rule 2, "b"'],
    ],
  },
];
