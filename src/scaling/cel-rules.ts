import { z } from 'zod';

/**
 * A rule in the Common Expression Language, which the API server asks of a custom resource before it takes it. It stands
 * for a check that a schema cannot say and JavaScript makes in a file and over HTTP; `self` is the value.
 */
export interface CelRule {
  readonly rule: string;
  /** What was expected, as the check in JavaScript says it. */
  readonly message: string;
}

/** The rules of schemas, beside them: the JSON Schema of a policy has no word for them. */
export const celRules = z.registry<{ readonly rules: readonly CelRule[] }>();

/** The grammar of `parseDuration`. */
export const CEL_DURATION: CelRule = {
  rule: "size(self) > 0 && self.matches('^(0|([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$')",
  message: 'expected a duration such as 30s, 5m or 28d',
};

/** The form of `parseInstant`; whether the day exists is asked later. */
export const CEL_INSTANT: CelRule = {
  rule: "self.matches('^([0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?|[+-]?[0-9]+([.][0-9]+)?)$')",
  message: 'expected a time such as 2026-08-03T10:00:00Z',
};

/** Five words; what each may say is asked later. */
export const CEL_CRON: CelRule = {
  rule: "self.matches('^ *([^ ]+ +){4}[^ ]+ *$')",
  message: 'expected a cron expression of five fields such as "0 7 * * 1-5"',
};

const RFC3339 =
  "matches('^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$')";

/** Of windows whose both ends are written in full; others are asked later. */
export const CEL_WINDOW: CelRule = {
  rule: `!self.start.${RFC3339} || !self.end.${RFC3339} || timestamp(self.end) > timestamp(self.start)`,
  message: 'expected end to be later than start',
};
