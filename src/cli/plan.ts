import type { Command } from 'commander';
import { formatInstant } from '../model/time.ts';
import { PLANNER_VERSION } from '../scaling/plan.ts';
import type { Plan, PlanInput } from '../scaling/plan-types.ts';
import { replayDecision } from '../scaling/replay.ts';
import { askServer, type ServerOptions, serverOptions } from './client.ts';
import { differences } from './differences.ts';
import { parsePolicyName, policyPath } from './policy-name.ts';
import { readText } from './read-text.ts';
import { UsageError } from './usage-error.ts';

interface PlanOptions extends ServerOptions {
  readonly replay?: string;
  readonly record?: string;
  readonly json: boolean;
}

/** `foresail plan`: what would be done now, or a recorded decision computed again. */
export function planCommand(program: Command, { signal }: { readonly signal: AbortSignal }): void {
  const command = program
    .command('plan')
    .description('Show what would be done now, without doing it; or compute a recorded decision again')
    .argument('[policy]', 'NAMESPACE/NAME')
    .option('--replay <id>', 'compute this decision of the server again: exit code 1 if the plan differs')
    .option('--record <file>', 'the same for a decision in a file, as `foresail explain --json` prints it');
  serverOptions(command)
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExample:\n  $ foresail plan shop/checkout\n  $ foresail plan --replay 01998a2f6c00-0')
    .action(async (policy: string | undefined, options: PlanOptions) => {
      if ([policy, options.replay, options.record].filter((given) => given !== undefined).length !== 1) {
        throw new UsageError('expected exactly one of NAMESPACE/NAME, --replay ID and --record FILE');
      }
      if (policy !== undefined) await planNow(policy, options, signal);
      else replay(await recordOf(options, signal), options.json);
    });
}

interface PlanAnswer {
  readonly at: number;
  readonly bounds: { readonly min: number; readonly max: number };
  readonly inForce: { readonly min: number; readonly max: number };
  readonly wanted: number | null;
  readonly reasons: readonly { readonly text: string }[];
}

async function planNow(policy: string, options: PlanOptions, signal: AbortSignal): Promise<void> {
  const { data } = (await askServer(options, policyPath(parsePolicyName(policy), 'plan'), { signal })) as {
    data: PlanAnswer;
  };
  if (options.json) {
    console.log(JSON.stringify(data, null, 2));
    return;
  }
  const { at, bounds, inForce, wanted, reasons } = data;
  const change = bounds.min === inForce.min ? 'stays at' : `would go from ${inForce.min} to`;
  console.log(
    `${policy} at ${formatInstant(at * 1000)}: the floor ${change} ${bounds.min}, the maximum is ${bounds.max}`,
  );
  if (wanted !== null && wanted !== bounds.min) console.log(`  asked for: ${wanted} replicas`);
  for (const { text } of reasons) console.log(`  - ${text}`);
}

interface DecisionRecord {
  readonly id?: string;
  readonly plan: Plan;
  readonly input: PlanInput;
}

async function recordOf({ replay, record, ...options }: PlanOptions, signal: AbortSignal): Promise<DecisionRecord> {
  if (record !== undefined) return parseRecord(readText(record), record);
  const answer = await askServer(options, `/api/v1/decisions/${encodeURIComponent(replay!)}`, { signal });
  return checkRecord((answer as { data: unknown }).data, `decision ${replay}`);
}

function parseRecord(text: string, file: string): DecisionRecord {
  try {
    return checkRecord(JSON.parse(text), file);
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    throw new UsageError(`cannot use ${file}: ${(cause as Error).message}`, { cause });
  }
}

function checkRecord(value: unknown, what: string): DecisionRecord {
  const record = value as Partial<DecisionRecord> | null;
  if (record?.plan?.bounds !== undefined && record.input?.policy !== undefined) return record as DecisionRecord;
  throw new UsageError(`cannot use ${what}: expected a decision with its plan and its input`);
}

function replay({ id = 'the decision', plan: recorded, input }: DecisionRecord, json: boolean): void {
  // Recorded plans are JSON: what JSON leaves out is left out of the computed plan too.
  const computed = JSON.parse(JSON.stringify(replayDecision({ plan: recorded, input }))) as Plan;
  const found = differences(recorded, computed);
  process.exitCode = found.length === 0 ? 0 : 1;
  if (json) {
    console.log(
      JSON.stringify({ id, same: found.length === 0, planner: PLANNER_VERSION, differences: found, computed }, null, 2),
    );
    return;
  }
  if (found.length === 0) {
    const { min, max } = computed.bounds;
    console.log(`${id}: computed again, the same plan: bounds ${min} to ${max} (planner ${PLANNER_VERSION})`);
    return;
  }
  const by =
    recorded.planner === PLANNER_VERSION
      ? ''
      : `; it was made by planner ${recorded.planner}, this is ${PLANNER_VERSION}`;
  console.log(`${id}: computed again, another plan${by}`);
  for (const line of found) console.log(`  ${line}`);
}
