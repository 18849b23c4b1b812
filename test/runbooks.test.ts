import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { sloRuleText } from '../src/rules/slo-rules.ts';
import { Slo } from '../src/scaling/slo.ts';

const ROOT = join(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const PAGES = { alerts: 'docs/runbooks/alerts.md', reasons: 'docs/runbooks/reasons.md' } as const;

/** The words that a type in the source lists: those of its `property`, or all where it is a plain union of words. */
function wordsOf(file: string, type: string, property?: string): readonly string[] {
  const text = read(file);
  const from = new RegExp(`^export (?:type|interface) ${type}\\b`, 'm').exec(text)?.index ?? -1;
  expect(from, `${type} in ${file}`).toBeGreaterThanOrEqual(0);
  const end = text.slice(from + 1).search(/^(?:export|const|function|interface|type) /m);
  const declared = text.slice(from, end < 0 ? undefined : from + 1 + end).replaceAll(/\/\*\*.*?\*\//gs, '');
  const lists =
    property === undefined
      ? [declared]
      : [...declared.matchAll(new RegExp(`\\b${property}: ([^;]+);?`, 'g'))].map(([, list]) => list!);
  return lists.flatMap((list) => [...list.matchAll(/'([\w-]+)'/g)].map(([, word]) => word!));
}

/** Shipped rules, and those that are made of objectives. */
const ALERTS = [
  read('alerts/foresail.yaml'),
  read('alerts/workloads.yaml'),
  sloRuleText(Slo.parse({ name: 'any', objective: 99.9, sli: { ratio: 'failing' } })),
]
  .flatMap((text) => (parseYaml(text) as { groups: { rules: Alert[] }[] }).groups)
  .flatMap(({ rules }) => rules)
  .filter(({ alert }) => alert !== undefined);

interface Alert {
  readonly alert: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Alerts that the program itself tells. */
const TOLD = [
  /_ALERT = '(\w+)'/.exec(read('src/anomaly/incident-alert.ts'))![1]!,
  'ForesailBudget',
  'ForesailSuddenCost',
  ...[...read('src/loops/scaler-alerts.ts').matchAll(/^ {2}(Foresail\w+): \{$/gm)].map(([, word]) => word!),
];
const DEMOTIONS = wordsOf('src/scaling/plan-types.ts', 'Demotion', 'code');
const CONDITIONS = wordsOf('src/scaling/told-reasons.ts', 'ConditionReason').filter((word) => word !== 'code');
const EVENTS = wordsOf('src/scaling/told-reasons.ts', 'EventReason');

describe.each([
  { name: 'alert', page: PAGES.alerts, level: '##', words: [...ALERTS.map(({ alert }) => alert), ...TOLD] },
  {
    name: 'reason',
    page: PAGES.reasons,
    level: '###',
    words: [...wordsOf('src/scaling/plan-types.ts', 'Reason', 'code'), ...DEMOTIONS, ...CONDITIONS, ...EVENTS],
  },
])('$page', ({ name, page, level, words }) => {
  const sections = new Map(
    read(page)
      .split(new RegExp(`^(?=${level} )`, 'm'))
      .filter((section) => section.startsWith(`${level} `))
      .map((section) => [/^#+ (.*)$/m.exec(section)![1]!, section]),
  );

  test(`has a section for each ${name}, and none for what is no ${name}`, () => {
    expect(words.length).toBeGreaterThan(10);
    expect([...sections.keys()].sort()).toEqual([...new Set(words)].sort());
  });

  test('each section says what it means, what happens meanwhile, where to look and what to do', () => {
    const parts = ['Means', 'Meanwhile', 'Look', 'Do'];
    const lacking = [...sections].flatMap(([word, text]) =>
      parts.filter((part) => !text.includes(`**${part}.**`)).map((part) => `${word}: ${part}`),
    );
    expect(lacking).toEqual([]);
  });
});

test('each alert names its section as its runbook', () => {
  for (const { alert, annotations } of ALERTS) {
    expect(annotations['runbook_url']).toBe(`${PAGES.alerts}#${anchorOf(alert)}`);
  }
});

test.each([
  { what: 'verdict on the fields', words: wordsOf('src/scaling/ownership.ts', 'OwnershipVerdict') },
  { what: 'outcome of a write', words: wordsOf('src/scaling/decision-types.ts', 'ActOutcome', 'kind') },
  { what: 'obstacle to a capacity', words: wordsOf('src/scaling/capacity.ts', 'CapacityObstacle', 'code') },
])('docs/runbooks/reasons.md has each $what in a row', ({ words }) => {
  expect(words.length).toBeGreaterThan(4);
  const text = read(PAGES.reasons);
  expect(words.filter((word) => !text.includes(`| \`${word}\` |`))).toEqual([]);
});

test('links of all pages lead to files, and to sections, that there are', () => {
  const pages = ['bench', 'docs', 'models'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.md'))
      .map((file) => join(folder, file)),
  );
  const broken = ['CHANGELOG.md', 'README.md', ...pages].flatMap((page) =>
    [...read(page).matchAll(/\]\(([^)\s:]*?)(?:#([^)\s]*))?\)/g)]
      .filter(([, file, anchor]) => {
        const target = file === '' ? page : relative(ROOT, join(ROOT, dirname(page), file!));
        if (!existsSync(join(ROOT, target))) return true;
        return anchor !== undefined && !anchorsOf(read(target)).includes(anchor);
      })
      .map(([link]) => `${page}: ${link.slice(1)}`),
  );
  expect(broken).toEqual([]);
});

function anchorsOf(text: string): readonly string[] {
  return [...text.replaceAll(/^```.*?^```/gms, '').matchAll(/^#+ (.*)$/gm)].map(([, title]) => anchorOf(title!));
}

function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\w -]/g, '')
    .replaceAll(' ', '-');
}
