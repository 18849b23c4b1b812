import type { Cluster } from '../scaling/cluster.ts';

/** What stands in for a cluster where none is configured: there is nothing to read and nothing to change. */
export const noCluster: Cluster = {
  read: async () => ({ kind: 'missing', message: 'no cluster is configured (kubernetes in the settings)' }),
  apply: async () => ({ kind: 'refused', message: 'no cluster is configured' }),
  listOwned: async () => [],
  announce: async () => {},
};
