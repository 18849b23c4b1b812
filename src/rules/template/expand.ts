import { executeTemplate, TemplateExecuteError } from './execute.ts';
import { FUNCTION_NAMES } from './functions.ts';
import { parseTemplate, type Template, TemplateSyntaxError } from './parse.ts';
import { type GoData, type GoSamples, type GoValue, TemplateRunError, textMap } from './values.ts';

/** What a rule's template may name beside its functions. */
export interface TemplateInput {
  readonly labels: Iterable<readonly [string, string]>;
  readonly value: GoValue;
  readonly externalLabels: Iterable<readonly [string, string]>;
  readonly externalUrl: string;
  /** Of the evaluation, in seconds. */
  readonly now: number;
}

/** The answers that are there so far to the queries of a template, by expression: a vector, or why there is none. */
export type TemplateAnswers = ReadonlyMap<string, GoSamples | { readonly error: string }>;

export type Expansion =
  | { readonly kind: 'text'; readonly text: string }
  /** An answer is missing: expand again when it is there. */
  | { readonly kind: 'needs'; readonly query: string }
  | { readonly kind: 'failed'; readonly message: string };

/** In front of every template, as Prometheus puts it there. */
const PREAMBLE =
  '{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}';

/** The name of an alert's templates in messages. */
function templateNameOf(alert: string): string {
  return `__alert_${alert}`;
}

/**
 * What is wrong with the text of a label or an annotation, and where in it in UTF-16 units; or undefined.
 * @param alert The name of the alert.
 */
export function templateFault(
  alert: string,
  text: string,
): { readonly message: string; readonly at: number } | undefined {
  try {
    parse(templateNameOf(alert), text);
    return undefined;
  } catch (error) {
    if (!(error instanceof TemplateSyntaxError)) throw error;
    return { message: error.message, at: Math.max(0, error.at - PREAMBLE.length) };
  }
}

/**
 * Expands the text of a label or an annotation. Pure: a query that it asks comes back as `needs` until its answer is
 * among the answers.
 */
export function expandTemplate(alert: string, text: string, input: TemplateInput, answers: TemplateAnswers): Expansion {
  if (!text.includes('{{')) return { kind: 'text', text };
  const name = templateNameOf(alert);
  const { externalUrl, now } = input;
  const fields: GoData['fields'] = new Map<string, GoValue>([
    ['Labels', textMap(input.labels)],
    ['ExternalLabels', textMap(input.externalLabels)],
    ['ExternalURL', externalUrl],
    ['Value', input.value],
  ]);
  const query = (expression: string): GoSamples => {
    const answer = answers.get(expression);
    if (answer === undefined) throw new NeededQuery(expression);
    if ('error' in answer) throw new TemplateRunError(answer.error);
    return answer;
  };
  try {
    const template = parse(name, text);
    return {
      kind: 'text',
      text: executeTemplate(name, template, { kind: 'data', fields }, { query, now, externalUrl }),
    };
  } catch (error) {
    if (error instanceof NeededQuery) return { kind: 'needs', query: error.expression };
    const failed = (doing: string, { message }: Error): Expansion => {
      return { kind: 'failed', message: `error ${doing} template ${name}: ${message}` };
    };
    if (error instanceof TemplateSyntaxError) return failed('parsing', error);
    if (error instanceof TemplateExecuteError) return failed('executing', error);
    throw error;
  }
}

/** Ends an expansion that cannot go on. */
class NeededQuery extends Error {
  readonly expression: string;

  constructor(expression: string) {
    super(expression);
    this.expression = expression;
  }
}

function parse(name: string, text: string): Template {
  return parseTemplate(name, PREAMBLE + text, FUNCTION_NAMES);
}
