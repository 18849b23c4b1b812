/** What addresses of the OpenAPI document are put together from. */

export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path';
  readonly required?: boolean;
  readonly description: string;
  readonly schema: object;
}

export const TIME = { type: 'string', description: 'Seconds since 1970, or RFC 3339.' };
export const DURATION = { type: 'string', description: 'Seconds, or a duration such as 5m.' };

export const inQuery = (
  name: string,
  description: string,
  schema: object = { type: 'string' },
  required = false,
): Parameter => ({
  name,
  in: 'query',
  required,
  description,
  schema,
});

export const START = inQuery('start', 'First instant.', TIME);
export const END = inQuery('end', 'Last instant.', TIME);

export const PROMETHEUS_DATA = { description: "In Prometheus's form." };

export function operation(summary: string, parameters: readonly Parameter[], data: object): object {
  const envelope = {
    type: 'object',
    properties: {
      status: { const: 'success' },
      data,
      warnings: { type: 'array', items: { type: 'string' } },
      infos: { type: 'array', items: { type: 'string' } },
    },
    required: ['status', 'data'],
  };
  return {
    summary,
    ...(parameters.length > 0 && { parameters }),
    responses: {
      '200': { description: 'Done.', content: json(envelope) },
      default: { $ref: '#/components/responses/Error' },
    },
  };
}

export function json(schema: object): object {
  return { 'application/json': { schema } };
}

export function ref(name: string): object {
  return { $ref: `#/components/schemas/${name}` };
}
