import type { Settings } from '../config/load.ts';
import { isLoopback } from '../config/schema.ts';
import { callerReader } from '../http/caller.ts';
import { hostCheck } from '../http/host-check.ts';

/** Whose requests are, as the settings say. */
export function callersOf(settings: Settings) {
  return callerReader({
    tenancyOn: settings.tenancy.on,
    tokens: settings.authentication.kind === 'tokens' ? settings.authentication.tokens : [],
    ...(isLoopback(settings.listen.host) && {
      checkHost: hostCheck({ listenHost: settings.listen.host, allowedHosts: settings.allowedHosts }),
    }),
  });
}
