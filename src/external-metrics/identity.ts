/** Who asks, as Kubernetes knows users. */
export interface Identity {
  readonly user: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

const ANONYMOUS_GROUP = 'system:unauthenticated';
const EVERYBODY = 'system:authenticated';

/** Who says nothing about itself. Authorization decides what it may do: usually nothing. */
export const ANONYMOUS: Identity = { user: 'system:anonymous', groups: [ANONYMOUS_GROUP], extra: {} };

/** Every user that was authenticated is in that group too, and none may claim to be in the other. */
export function authenticated(identity: Identity): Identity {
  const groups = identity.groups.filter((group) => group !== EVERYBODY && group !== ANONYMOUS_GROUP);
  return { ...identity, groups: [...groups, EVERYBODY] };
}
