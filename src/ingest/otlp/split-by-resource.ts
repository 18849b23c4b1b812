import { type OtlpRequest, type OtlpResource, pointsOf } from '../../wire/otlp.ts';
import type { OtlpEncoding } from '../../wire/otlp-answer.ts';
import { decodeOtlpJson } from '../../wire/otlp-json.ts';
import { labelNameOf, type TranslationStrategy } from '../../wire/otlp-names.ts';
import { decodeOtlpProtobuf } from '../../wire/otlp-protobuf.ts';
import { ProtoWriter } from '../../wire/proto-writer.ts';

/** What of a request has one value of the label that names tenants. */
export interface ResourceGroup {
  /** Empty where its resources have no such attribute. */
  readonly value: string;
  /** Of protobuf: the request that it is by itself. */
  readonly bytes: Uint8Array | undefined;
  readonly decode: () => OtlpRequest;
}

/**
 * Divides a request by an attribute of its resources: the one that is the label, or that becomes it.
 * @throws {WireError | WireTooLargeError} As decoding it does.
 */
export function splitByResource(
  bytes: Uint8Array,
  encoding: OtlpEncoding,
  { label, strategy }: { readonly label: string; readonly strategy: TranslationStrategy },
): readonly ResourceGroup[] {
  // Of protobuf no metric is read here.
  const { resources, elements } = encoding === 'json' ? decodeOtlpJson(bytes) : decodeOtlpProtobuf(bytes, NONE);
  const groups = new Map<string, OtlpResource[]>();
  for (const resource of resources) {
    const named = resource.attributes.findLast(([key]) => key === label || labelNameOf(key, strategy) === label);
    const value = named?.[1] ?? '';
    const group = groups.get(value) ?? [];
    groups.set(value, group);
    group.push(resource);
  }
  return [...groups].map(([value, group]) => {
    if (encoding === 'json') return { value, bytes: undefined, decode: () => ({ resources: group, elements }) };
    const part = requestOf(bytes, group);
    return { value, bytes: part, decode: () => decodeOtlpProtobuf(part) };
  });
}

const NONE: ReadonlySet<number> = new Set();
const RESOURCE_METRICS = 0x0a;

function requestOf(bytes: Uint8Array, resources: readonly OtlpResource[]): Uint8Array {
  const writer = new ProtoWriter(1_024);
  for (const { at = 0, end = 0 } of resources) {
    const head = [RESOURCE_METRICS];
    let length = end - at;
    for (; length > 0x7f; length >>>= 7) head.push((length & 0x7f) | 0x80);
    writer.bytes(Uint8Array.from([...head, length]));
    writer.bytes(bytes.subarray(at, end));
  }
  return writer.finish();
}

/** Data points of all kinds. */
export function countPoints({ resources }: OtlpRequest): number {
  let count = 0;
  for (const { scopes } of resources) {
    for (const { metrics } of scopes) for (const { data } of metrics) count += pointsOf(data);
  }
  return count;
}
