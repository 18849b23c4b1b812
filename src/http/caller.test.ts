import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import type { TenantId } from '../model/tenant.ts';
import { callerReader, requireRole } from './caller.ts';

const TOKENS = [
  { token: 'secret-a', tenant: 'acme' as TenantId, role: 'reader' },
  { token: 'secret-b', tenant: 'globex' as TenantId, role: 'operator' },
] as const;
const basic = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`;

function ask(headers: Record<string, string>, tenancyOn: boolean, withTokens: boolean) {
  const { callerOf } = callerReader({ tenancyOn, tokens: withTokens ? TOKENS : [] });
  try {
    const { tenant, role } = callerOf({ headers } as unknown as IncomingMessage);
    return `${tenant} ${role}`;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test.each([
  {
    name: 'tenancy off: the header means nothing',
    headers: { 'x-scope-orgid': 'acme' },
    on: false,
    tokens: false,
    want: 'default operator',
  },
  {
    name: 'tenancy off: not even a wrong one',
    headers: { 'x-scope-orgid': 'a/b' },
    on: false,
    tokens: false,
    want: 'default operator',
  },
  {
    name: 'tenancy on: the header decides',
    headers: { 'x-scope-orgid': 'acme' },
    on: true,
    tokens: false,
    want: 'acme operator',
  },
  { name: 'tenancy on: without a header', headers: {}, on: true, tokens: false, want: 'unauthenticated' },
  {
    name: 'tenancy on: no tenant id',
    headers: { 'x-scope-orgid': 'a|b' },
    on: true,
    tokens: false,
    want: 'invalid_tenant',
  },
  { name: 'tokens: none sent', headers: { 'x-scope-orgid': 'acme' }, on: true, tokens: true, want: 'unauthenticated' },
  {
    name: 'tokens: not known',
    headers: { authorization: 'Bearer nope' },
    on: true,
    tokens: true,
    want: 'unauthenticated',
  },
  {
    name: 'tokens: the credential decides',
    headers: { authorization: 'Bearer secret-a' },
    on: true,
    tokens: true,
    want: 'acme reader',
  },
  {
    name: 'tokens: as a password',
    headers: { authorization: basic('me:secret-b') },
    on: true,
    tokens: true,
    want: 'globex operator',
  },
  {
    name: 'tokens: the header agrees',
    headers: { authorization: 'bearer secret-a', 'x-scope-orgid': 'acme' },
    on: true,
    tokens: true,
    want: 'acme reader',
  },
  {
    name: 'tokens: the header disagrees',
    headers: { authorization: 'Bearer secret-a', 'x-scope-orgid': 'globex' },
    on: true,
    tokens: true,
    want: 'forbidden',
  },
  {
    name: 'tokens: another scheme',
    headers: { authorization: 'Digest secret-a' },
    on: true,
    tokens: true,
    want: 'unauthenticated',
  },
])('callerOf() $name', ({ headers, on, tokens, want }) => {
  expect(ask(headers, on, tokens)).toBe(want);
});

test('requireRole() refuses a lesser role', () => {
  const reader = { tenant: 'acme' as TenantId, role: 'reader' } as const;
  expect(() => requireRole(reader, 'operator')).toThrow(
    'cannot do this with the role reader: it needs the role operator',
  );
  expect(requireRole({ ...reader, role: 'operator' }, 'writer').role).toBe('operator');
});
