import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { parseRuleFile } from '../rules/rule-file.ts';
import { definitionOf, ruleFileReader } from './rule-files.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'foresail-rule-files-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

const reader = (...patterns: readonly string[]) =>
  ruleFileReader([{ tenant: DEFAULT_TENANT, patterns: patterns.map((one) => join(folder, one)) }], (text) =>
    text.includes('wrong')
      ? { kind: 'wrong', problems: [{ line: 2, column: 3, message: 'it is wrong' }] }
      : { kind: 'right', content: text },
  );

const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

test('what breaks keeps what it held; what is deleted is gone; what comes is found', () => {
  write('a.yaml', 'one');
  const read = reader('*.yaml');
  const contents = () => read().files.map(({ content }) => content);
  expect(contents()).toEqual(['one']);
  write('a.yaml', 'wrong here');
  expect(read()).toMatchObject({
    files: [{ content: 'one' }],
    problems: [{ text: `${folder}/a.yaml:2:3: it is wrong` }],
  });
  write('a.yaml', ' ');
  expect(read().problems[0]!.text).toContain('it is empty');
  expect(contents()).toEqual(['one']);
  write('a.yaml', 'two and more');
  write('b.yaml', 'three');
  expect(contents()).toEqual(['two and more', 'three']);
  expect(read().problems).toEqual([]);
  rmSync(join(folder, 'a.yaml'));
  expect(contents()).toEqual(['three']);
});

test('a file that is named and is not there is a problem; a pattern that finds none is not', () => {
  expect(reader('c.yaml', '*.none')().problems.map(({ text }) => text)).toEqual([
    `${folder}/c.yaml: there is no such file`,
  ]);
});

test('a group is the same wherever in its file it stands, and another with any other word', () => {
  const definition = (text: string) => definitionOf(parseRuleFile(text).groups[0]!);
  const text = 'groups: [{name: g, rules: [{alert: A, expr: up, labels: {a: b}}]}]';
  expect(definition(`# moved\n\n${text}`)).toBe(definition(text));
  expect(definition(text.replace('a: b', 'a: c'))).not.toBe(definition(text));
});
