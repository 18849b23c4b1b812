/** The import rules of docs/adr/0001-layers.md. A folder that is not named here may not be imported by anybody. */
const L0 = '^src/(model|numeric)/';
const L1 = ['wire', 'promql', 'forecast', 'anomaly', 'scaling', 'cost', 'alerting', 'storage'];
const L2 = ['rules', 'tsdb', 'backends', 'forecasts', 'kube', 'notify', 'ledger', 'config', 'telemetry'];
const L3 = ['ingest', 'loops', 'http', 'external-metrics', 'workers', 'demo'];
const all = (folders) => `^src/(${folders.join('|')})/`;
const TEST = '\\.test\\.ts$|^src/testing/';
/** npm packages that pure folders may use. Everything else is shell. */
const PURE_PACKAGES = {
  model: ['re2js'],
  numeric: ['simple-statistics'],
  wire: [],
  promql: ['re2js'],
  rules: ['re2js', 'yaml'],
  forecast: ['simple-statistics', '@tensorflow'],
  anomaly: ['simple-statistics'],
  scaling: ['zod', 'croner'],
  cost: ['zod'],
  alerting: ['zod'],
  storage: [],
};

const sameFolderOr = (folder, allowed) => ({ path: '^src/', pathNot: `^src/${folder}/|${allowed}` });

export default {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'L0-imports-L0', severity: 'error', from: { path: L0, pathNot: TEST }, to: { path: '^src/', pathNot: L0 } },
    ...L1.map((folder) => ({
      name: `L1-${folder}-imports-L0-and-itself`,
      severity: 'error',
      from: { path: `^src/${folder}/`, pathNot: TEST },
      to: sameFolderOr(folder, L0),
    })),
    ...L2.map((folder) => ({
      name: `L2-${folder}-imports-L0-L1-telemetry`,
      severity: 'error',
      from: { path: `^src/${folder}/`, pathNot: TEST },
      to: sameFolderOr(folder, `${L0}|${all(L1)}|^src/telemetry/`),
    })),
    {
      name: 'L2.5-observe',
      severity: 'error',
      from: { path: '^src/observe/', pathNot: TEST },
      to: sameFolderOr('observe', `${L0}|${all(L1)}|^src/telemetry/`),
    },
    ...L3.map((folder) => ({
      name: `L3-${folder}-imports-L0-L1-telemetry-observe`,
      severity: 'error',
      from: { path: `^src/${folder}/`, pathNot: TEST },
      to: sameFolderOr(folder, `${L0}|${all(L1)}|^src/(telemetry|observe)/`),
    })),
    {
      name: 'only-cli-imports-cli',
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/(cli/|main\\.ts$)|${TEST}` },
      to: { path: '^src/cli/' },
    },
    {
      name: 'only-the-root-imports-its-parts',
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/(app/|app\\.ts$)|${TEST}` },
      to: { path: '^src/app/' },
    },
    {
      name: 'only-tests-import-testing',
      severity: 'error',
      from: { path: '^src/', pathNot: TEST },
      to: { path: '^src/testing/' },
    },
    {
      name: 'pure-folders-know-no-node',
      comment: 'L0, L1 and rules run anywhere: no Node API. Web globals are fine.',
      severity: 'error',
      from: { path: `${L0}|${all([...L1, 'rules'])}`, pathNot: TEST },
      to: { dependencyTypes: ['core'] },
    },
    ...Object.entries(PURE_PACKAGES).map(([folder, packages]) => ({
      name: `packages-of-${folder}`,
      severity: 'error',
      from: { path: `^src/${folder}/`, pathNot: TEST },
      to: { path: '^node_modules/', ...(packages.length > 0 && { pathNot: `^node_modules/(${packages.join('|')})/` }) },
    })),
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
