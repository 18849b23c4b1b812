import type { Settings } from '../config/load.ts';
import { isLoopback } from '../config/schema.ts';
import { callerReader } from '../http/caller.ts';
import { hostCheck } from '../http/host-check.ts';

/** Who asks, as the settings have it. */
export function callersOf({ tenancy, authentication, listen, allowedHosts }: Settings) {
  return callerReader({
    tenancyOn: tenancy.on,
    tokens: authentication.kind === 'tokens' ? authentication.tokens : [],
    ...(isLoopback(listen.host) && { checkHost: hostCheck({ listenHost: listen.host, allowedHosts }) }),
  });
}
