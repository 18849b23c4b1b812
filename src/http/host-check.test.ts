import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { hostCheck } from './host-check.ts';

const check = hostCheck({ listenHost: '127.0.0.5', allowedHosts: ['Foresail.example'] });
const request = (method: string, headers: Record<string, string>) =>
  ({ method, headers }) as unknown as IncomingMessage;

test.each([
  { name: 'localhost', host: 'localhost:7070' },
  { name: 'in capitals', host: 'LOCALHOST' },
  { name: 'loopback', host: '127.0.0.1:7070' },
  { name: 'loopback of IPv6', host: '[::1]:7070' },
  { name: 'the address it listens on', host: '127.0.0.5:9' },
  { name: 'an allowed name', host: 'foresail.example' },
  { name: 'another name', host: 'evil.example:7070', refused: true },
  { name: 'a name that starts like ours', host: 'localhost.evil.example', refused: true },
  { name: 'an address of elsewhere', host: '10.0.0.1:7070', refused: true },
  { name: 'no name', host: ':7070', refused: true },
  { name: 'nonsense', host: '[::1', refused: true },
  { name: 'an own page that posts', host: 'localhost', method: 'POST', origin: 'http://localhost:7070' },
  { name: 'another page that reads', host: 'localhost', method: 'GET', origin: 'https://evil.example' },
  { name: 'another page that posts', host: 'localhost', method: 'POST', origin: 'https://evil.example', refused: true },
  { name: 'a page of nowhere that posts', host: 'localhost', method: 'POST', origin: 'null', refused: true },
])('hostCheck() $name', ({ host, method = 'GET', origin, refused = false }) => {
  const asked = () => check(request(method, { host, ...(origin !== undefined && { origin }) }));
  if (refused) expect(asked).toThrow(/allowedHosts/);
  else expect(asked).not.toThrow();
});

test('hostCheck() lets pass who sends no Host', () => {
  expect(() => check(request('POST', {}))).not.toThrow();
});
