import { DURATION, END, inQuery, operation, ref, START, TIME } from '../openapi-parts.ts';

/** What the OpenAPI document says of what replicas cost. */
export const COST_PATHS = {
  '/api/v1/cost/report': {
    get: operation(
      'What was spent in a week or a month, by namespace, workload, label and region, and what was saved, by simulation. With format=html a page, with format=csv a table.',
      [
        inQuery('period', 'A week from Monday, or a calendar month (the default), in UTC.', {
          enum: ['week', 'month'],
        }),
        inQuery('at', 'An instant of the period; now if not given.', TIME),
        inQuery('format', 'json if not given.', { enum: ['json', 'html', 'csv'] }),
        inQuery('savings', 'false: without the simulation of what was saved.', { enum: ['true', 'false'] }),
        inQuery('wait', 'How long simulations are waited for that are under way (10s).', DURATION),
      ],
      ref('CostReport'),
    ),
  },
  '/api/v1/cost/reservation': {
    get: operation(
      'How much capacity to reserve over a forecast of what runs, and what work that can wait would save.',
      [
        inQuery('discount', "What a reserved replica is cheaper by, 0 to 1; the price book's if not given.", {
          type: 'number',
        }),
        inQuery('horizon', 'Over which it is reckoned: 1d to 92d (28d).', DURATION),
        inQuery('namespace', 'Only of this namespace.'),
        inQuery('workload', 'Only of this workload.'),
        inQuery('limit', 'Workloads with advice of their own, the dearest (10).', { type: 'integer', maximum: 50 }),
        inQuery('deferrable', 'Share of the work that can wait, 0 to 1; with delay.', { type: 'number' }),
        inQuery('delay', 'How long it can wait: 1h to 7d.', DURATION),
      ],
      ref('Capacity'),
    ),
  },
  '/api/v1/cost/spend': {
    get: operation(
      'What was spent, in groups and steps.',
      [
        { ...START, description: 'The first hour; 30 days before the end if not given.' },
        { ...END, description: 'The end; now if not given.' },
        inQuery('by', 'namespace, workload, policy, region, plan or label:NAME, with commas between.'),
        inQuery('step', 'Length of the steps (1d).', DURATION),
        inQuery('namespace', 'Only of this namespace.'),
        inQuery('workload', 'Only of this workload.'),
        inQuery('limit', 'Groups, the dearest first (500); fewer where they have more than 100000 steps in all.', {
          type: 'integer',
          maximum: 10_000,
        }),
        inQuery('offset', 'Groups to pass over: left.next of the answer before.', { type: 'integer' }),
      ],
      { type: 'object' },
    ),
  },
  '/api/v1/cost/budgets': {
    get: operation(
      'How cost budgets stand: spent, projected with its interval, and when each is used up.',
      [inQuery('name', 'Only this one.')],
      { type: 'array', items: { type: 'object' } },
    ),
  },
};
