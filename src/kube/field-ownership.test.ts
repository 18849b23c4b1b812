import { describe, expect, test } from 'vitest';
import { handBack, type ManagedFields, managersOf } from './field-ownership.ts';

const ours: ManagedFields = {
  manager: 'foresail',
  operation: 'Apply',
  fieldsV1: {
    'f:metadata': { 'f:annotations': { 'f:foresail.dev/ownership': {} } },
    'f:spec': { 'f:minReplicas': {} },
  },
};
const kubectl: ManagedFields = {
  manager: 'kubectl-client-side-apply',
  operation: 'Update',
  fieldsV1: { 'f:spec': { 'f:maxReplicas': {}, 'f:scaleTargetRef': {} } },
};
const status: ManagedFields = {
  manager: 'kubectl-client-side-apply',
  operation: 'Update',
  subresource: 'status',
  fieldsV1: { 'f:status': {} },
};

describe('handBack()', () => {
  test.each([
    {
      name: 'the field goes back into the entry of its earlier manager, not into that of its status',
      before: [ours, status, kubectl],
      takenFrom: ['kubectl-client-side-apply'],
      min: ['kubectl-client-side-apply'],
      entries: 2,
    },
    {
      name: 'a manager that is gone inherits nothing',
      before: [ours, kubectl],
      takenFrom: ['helm'],
      min: [],
      entries: 1,
    },
    { name: 'nobody before, nobody after', before: [ours, kubectl], takenFrom: [], min: [], entries: 1 },
    {
      name: 'who holds the field already is the only one who does',
      before: [ours, { manager: 'argocd', fieldsV1: { 'f:spec': { 'f:minReplicas': {} } } }, kubectl],
      takenFrom: ['kubectl-client-side-apply'],
      min: ['argocd'],
      entries: 2,
    },
    {
      name: 'an empty list would change nothing, so one empty entry clears it',
      before: [ours],
      takenFrom: [],
      min: [],
      entries: 1,
    },
  ])('$name', ({ before, takenFrom, min, entries }) => {
    const after = handBack(before, { takenFrom }, ['minReplicas', 'maxReplicas']);
    expect(managersOf(after, 'minReplicas')).toEqual(min);
    expect(after.length).toBe(entries);
    expect(JSON.stringify(after)).not.toContain('foresail');
  });
});
