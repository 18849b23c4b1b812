import { expect, test } from 'vitest';
import type { Message } from '../alerting/message.ts';
import { textOf } from '../notify/text.ts';
import { messageTemplates } from './message-templates.ts';

const message: Message = {
  ...{ id: 'x', tenant: 'acme', receiver: 'team', groupKey: 'g', status: 'firing', at: 0, truncatedAlerts: 0 },
  ...{ groupLabels: {}, commonLabels: {}, commonAnnotations: {} },
  alerts: Array.from({ length: 1_000 }, (_, i) => ({
    ...{ status: 'firing', labels: { a: 'x'.repeat(1_000), of: String(i) }, annotations: {}, startsAt: 0 },
    ...{ generatorUrl: '', fingerprint: String(i) },
  })),
};

test.each([
  { name: 'doubles a text', text: '{{ $x := "xxxxxxxx" }}{{ range .Alerts }}{{ $x = printf "%s%s" $x $x }}{{ end }}' },
  {
    name: 'ranges in ranges',
    text: '{{ range .Alerts }}{{ range $.Alerts }}{{ range $.Alerts }}{{ end }}{{ end }}{{ end }}',
  },
  {
    name: 'looks for patterns again and again',
    text: '{{ range .Alerts }}{{ range $.Alerts }}{{ $y := reReplaceAll "(x+)y?(x+)" "$2$1" .Labels.a }}{{ end }}{{ end }}',
  },
  { name: 'prints everything again and again', text: '{{ range .Alerts }}{{ $a := printf "%v" $.Alerts }}{{ end }}' },
  { name: 'calls itself', text: '{{ define "r" }}{{ template "r" . }}{{ end }}{{ template "r" . }}' },
  { name: 'counts without end', text: '{{ range 99999999999 }}{{ end }}' },
  { name: 'wants more digits than there are', text: '{{ printf "%.999999999f" 1.5 }}' },
])('a template that $name is ended, and the fault says which one', ({ text }) => {
  const faults: string[] = [];
  const deps = {
    ...{ expand: messageTemplates('', 'http://here'), externalUrl: 'http://here', saysTenant: false },
    onTemplateFault: (fault: string) => void faults.push(fault),
  };
  expect(textOf(text, message, () => 'instead', deps)).toBe('instead');
  expect(faults).toHaveLength(1);
  expect(faults[0]).toMatch(/^of the receiver team, "\{\{.*: template: message:1:\d+: executing /);
});

test('a text sees whose message it is', () => {
  expect(messageTemplates('', '')('{{ .Tenant }} {{ len .Alerts }}', message)).toBe('acme 1000');
});
