import { commentedSettings } from '../src/config/commented-file.ts';
import { createMetrics } from '../src/telemetry/metrics.ts';

/** The pages of the reference that are made from the code, by file name. */
export async function referencePages(): Promise<Readonly<Record<string, string>>> {
  return { 'metrics.md': await metricsPage(), 'settings.md': settingsPage() };
}

async function metricsPage(): Promise<string> {
  const metrics = await createMetrics().registry.getMetricsAsJSON();
  const rows = metrics.map(({ name, type, help }) => `| \`${name}\` | ${String(type)} | ${help} |`);
  return [
    '# Metrics',
    '',
    'What `/metrics` has of Foresail itself. The metrics of the process (memory, CPU, file descriptors, event loop) come on top, under the names of prom-client. Made by `npm run generate`.',
    '',
    '| name | type | what it is |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

function settingsPage(): string {
  return [
    '# Settings',
    '',
    'What `foresail init` writes: every setting, at its default. Unknown keys are refused; `foresail check FILE` says where, and what was probably meant. Made by `npm run generate`.',
    '',
    '```yaml',
    commentedSettings().trimEnd(),
    '```',
    '',
  ].join('\n');
}
