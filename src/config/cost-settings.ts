import { resolve } from 'node:path';
import { z } from 'zod';
import type { CostBudgetSettings } from '../cost/budget.ts';
import { type GivenPrice, type PriceBook, PriceBookDocument, priceBookOf } from '../cost/prices.ts';
import type { SharingRule } from '../cost/showback.ts';
import type { PricePlan } from '../cost/spend.ts';
import { type Problem, problemsOf } from '../model/problem.ts';
import { parseTenant, type TenantId } from '../model/tenant.ts';
import { parseDuration } from '../model/time.ts';
import type { CostSection } from './cost-schema.ts';
import { SettingsError } from './errors.ts';
import { readText } from './read-text.ts';
import { type LocatedProblem, parseYaml } from './yaml-document.ts';

/** As loaded: lengths in milliseconds, paths absolute. */
export interface CostSettings {
  readonly currency: string;
  readonly priceBook: PriceBook | undefined;
  readonly prices: readonly GivenPrice[];
  readonly openCost:
    | { readonly url: string; readonly tokenFile: string | undefined; readonly timeoutMs: number }
    | undefined;
  readonly region: string;
  readonly plan: PricePlan;
  readonly labels: readonly string[];
  /** `above` is a ratio. */
  readonly suddenCost: { readonly above: number; readonly least: number };
  readonly budgets: readonly CostBudgetSettings[];
  readonly showback: SharingRule;
  readonly reports: readonly CostReportSettings[];
}

export interface CostReportSettings {
  readonly period: 'weekly' | 'monthly';
  readonly tenant: TenantId;
  /** Names of receivers. */
  readonly receivers: readonly string[];
}

type Section = z.infer<typeof CostSection>;

/** @throws {SettingsError} If the price book cannot be used. */
export function resolveCost(section: Section, folder: string): CostSettings {
  const { priceBook: file, openCost, suddenCost, budgets } = section;
  const priceBook = file === undefined ? undefined : readPriceBook(resolve(folder, file), section.currency);
  return {
    currency: section.currency ?? priceBook?.currency ?? 'USD',
    priceBook,
    prices: section.prices,
    openCost: openCost && {
      url: openCost.url.replace(/\/+$/, ''),
      tokenFile: openCost.tokenFile && resolve(folder, openCost.tokenFile),
      timeoutMs: parseDuration(openCost.timeout),
    },
    ...{ region: section.region, plan: section.plan, labels: section.labels },
    suddenCost: { above: ratioOf(suddenCost.above), least: suddenCost.least },
    budgets: budgets.map(({ warn, critical, cap, tenant, ...budget }) => ({
      ...budget,
      tenant: parseTenant(tenant),
      ...{ warn: ratioOf(warn), critical: ratioOf(critical), cap: ratioOf(cap) },
    })),
    showback: section.showback,
    reports: section.reports.map(({ tenant, ...report }) => ({ ...report, tenant: parseTenant(tenant) })),
  };
}

/** Reads a price book. @param currency What the settings say; undefined: nothing. */
function readPriceBook(file: string, currency: string | undefined): PriceBook {
  const text = readText(file);
  const { book, problems } = checkPriceBook(text, file, currency);
  if (book === undefined) throw new SettingsError(problems);
  return book;
}

/** What a price book's text says, or all that is wrong with it. */
export function checkPriceBook(
  text: string,
  file: string,
  currency?: string,
): { readonly book?: PriceBook; readonly problems: readonly LocatedProblem[] } {
  const yaml = parseYaml(text, file);
  if (yaml.kind === 'broken') return { problems: yaml.problems };
  const [document] = yaml.documents;
  if (document === undefined) {
    return { problems: [{ file, line: 1, column: 1, path: [], message: 'expected regions with prices' }] };
  }
  const checked = PriceBookDocument.safeParse(document.value);
  if (!checked.success) {
    const schema = z.toJSONSchema(PriceBookDocument, { io: 'input' });
    return { problems: problemsOf(checked.error.issues, document.value, schema).map(document.locate) };
  }
  if (currency !== undefined && checked.data.currency !== currency) {
    const message = `expected ${JSON.stringify(currency)} as cost.currency of the settings has it, got ${JSON.stringify(checked.data.currency)}`;
    return { problems: [document.locate({ path: ['currency'], message })] };
  }
  return { book: priceBookOf(checked.data), problems: [] };
}

/** What one field of the section means for another. */
export function costProblems({ budgets, reports }: Section, tenancyOn: boolean): readonly Problem[] {
  const problems: Problem[] = [];
  const seen = new Set<string>();
  for (const [i, { name, tenant, warn, critical, cap }] of budgets.entries()) {
    const path = ['cost', 'budgets', i];
    const key = `${tenant}/${name}`;
    if (seen.has(key))
      problems.push({ path: [...path, 'name'], message: `expected another name: ${name} is there twice` });
    seen.add(key);
    if (!(ratioOf(warn) < ratioOf(critical) && ratioOf(critical) < ratioOf(cap))) {
      problems.push({
        path: [...path, 'warn'],
        message: `expected warn < critical < cap, got ${warn}, ${critical}, ${cap}`,
      });
    }
    problems.push(...tenantProblems([...path, 'tenant'], tenant, tenancyOn));
  }
  for (const [i, { tenant }] of reports.entries()) {
    problems.push(...tenantProblems(['cost', 'reports', i, 'tenant'], tenant, tenancyOn));
  }
  return problems;
}

function tenantProblems(path: Problem['path'], tenant: string, tenancyOn: boolean): readonly Problem[] {
  try {
    parseTenant(tenant);
  } catch (error) {
    return [{ path, message: (error as Error).message }];
  }
  if (tenancyOn || tenant === 'default') return [];
  return [{ path, message: `expected "default" while tenancy.mode is off, got ${JSON.stringify(tenant)}` }];
}

function ratioOf(percentage: string): number {
  return Number(percentage.slice(0, -1)) / 100;
}
