import { resolve } from 'node:path';
import type { z } from 'zod';
import type { Problem } from '../model/problem.ts';
import { DEFAULT_TENANT, InvalidTenantError, parseTenant, type TenantId } from '../model/tenant.ts';
import { parseDuration } from '../model/time.ts';
import type { FilesOfTenants, RulesSection } from './rules-schema.ts';

/** Patterns of files, absolute, and whose they are. */
export interface TenantFiles {
  readonly tenant: TenantId;
  readonly patterns: readonly string[];
}

/** As loaded: lengths in milliseconds, paths absolute. */
export interface RulesSettings {
  readonly files: readonly TenantFiles[];
  readonly slos: readonly TenantFiles[];
  readonly evaluationIntervalMs: number;
  readonly queryOffsetMs: number;
  readonly forOutageToleranceMs: number;
  readonly forGracePeriodMs: number;
}

export function resolveRules(section: z.infer<typeof RulesSection>, folder: string): RulesSettings {
  return {
    files: filesOf(section.files, folder),
    slos: filesOf(section.slos, folder),
    evaluationIntervalMs: parseDuration(section.evaluationInterval),
    queryOffsetMs: parseDuration(section.queryOffset),
    forOutageToleranceMs: parseDuration(section.forOutageTolerance),
    forGracePeriodMs: parseDuration(section.forGracePeriod),
  };
}

/** What is wrong with whose rules are. */
export function ruleSettingsProblems(section: z.infer<typeof RulesSection>, tenancyOn: boolean): readonly Problem[] {
  return (['files', 'slos'] as const).flatMap((key) =>
    section[key].flatMap((entry, i): readonly Problem[] => {
      if (typeof entry === 'string') return [];
      const where = ['rules', key, i, 'tenant'];
      try {
        parseTenant(entry.tenant);
      } catch (error) {
        if (error instanceof InvalidTenantError) return [{ path: where, message: error.message }];
        throw error;
      }
      if (tenancyOn || entry.tenant === DEFAULT_TENANT) return [];
      const got = JSON.stringify(entry.tenant);
      return [{ path: where, message: `expected "default" while tenancy.mode is off, got ${got}` }];
    }),
  );
}

function filesOf(entries: FilesOfTenants, folder: string): readonly TenantFiles[] {
  return entries.map((entry) => {
    if (typeof entry === 'string') return { tenant: DEFAULT_TENANT, patterns: [resolve(folder, entry)] };
    return { tenant: parseTenant(entry.tenant), patterns: entry.files.map((file) => resolve(folder, file)) };
  });
}
