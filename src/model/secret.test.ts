import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { base64Of, Secret, withoutSecrets } from './secret.ts';

test('a secret is shown nowhere but where it is asked for', () => {
  const secret = new Secret('open sesame');
  expect(secret.reveal()).toBe('open sesame');
  const shown = [`${secret}`, JSON.stringify({ secret }), inspect({ secret }), String(new Error(`${secret}`))];
  expect(shown.join()).not.toContain('sesame');
});

test.each([
  { name: 'the whole', text: 'no: open sesame!', secret: 'open sesame' },
  { name: 'as a part of an address', text: '?key=open%20sesame', secret: 'open sesame' },
  { name: 'in JSON', text: '{"key":"open \\"sesame\\""}', secret: 'open "sesame"' },
  { name: 'the path of an address', text: 'cannot POST /T0/sesame', secret: 'https://hooks.example/T0/sesame' },
  { name: 'the query of an address', text: 'bad ?sig=sesame', secret: 'https://hooks.example/x?sig=sesame' },
])('withoutSecrets() hides $name', ({ text, secret }) => {
  expect(withoutSecrets(text, [new Secret(secret)])).not.toContain('sesame');
});

test('withoutSecrets() leaves the rest as it is', () => {
  expect(withoutSecrets('it answered 400: no', [new Secret('http://127.0.0.1:1/'), new Secret('')])).toBe(
    'it answered 400: no',
  );
});

test('withoutSecrets() hides a secret in base64, with and without its padding', () => {
  const coded = base64Of('open sesame');
  for (const text of [`said ${coded}`, `said ${coded.replace(/=+$/, '')}.`]) {
    expect(withoutSecrets(text, [new Secret('open sesame')])).toMatch(/^said <secret>=*\.?$/);
  }
});
