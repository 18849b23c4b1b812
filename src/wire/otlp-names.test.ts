import { describe, expect, test } from 'vitest';
import { labelNameOf, metricNameOf, type NamedMetric, type TranslationStrategy, unitNameOf } from './otlp-names.ts';

const ESCAPED = 'UnderscoreEscapingWithSuffixes';
const BARE = 'UnderscoreEscapingWithoutSuffixes';
const UTF8 = 'NoUTF8EscapingWithSuffixes';
const RAW = 'NoTranslation';

/** Cases and results: prometheus/otlptranslator 51da773, metric_namer_test.go and label_namer_test.go. */
describe('metricNameOf()', () => {
  test.each<
    [strategy: TranslationStrategy, name: string, unit: string, kind: NamedMetric['kind'], want: string | undefined]
  >([
    [BARE, 'simple_metric', '', 'gauge', 'simple_metric'],
    [BARE, 'metric@with#special$chars', '', 'gauge', 'metric_with_special_chars'],
    [BARE, '123metric', '', 'gauge', '_123metric'],
    [BARE, '', '', 'gauge', undefined],
    [BARE, 'metric@@##$$name', '', 'gauge', 'metric_name'],
    [BARE, '@#$%', '', 'gauge', undefined],
    [BARE, '@_#_$_%', '', 'gauge', undefined],
    [BARE, '___', '', 'gauge', '___'],
    [BARE, 'http.requests', 's', 'counter', 'http_requests'],
    [ESCAPED, 'requests', '', 'counter', 'requests_total'],
    [ESCAPED, 'cpu_usage', '1', 'gauge', 'cpu_usage_ratio'],
    [ESCAPED, 'items', '1', 'counter', 'items_total'],
    [ESCAPED, 'items', '1', 'other', 'items'],
    [ESCAPED, 'response_time', 'ms', 'gauge', 'response_time_milliseconds'],
    [ESCAPED, 'requests', '1/s', 'gauge', 'requests_per_second'],
    [ESCAPED, 'throughput', 'By/s', 'gauge', 'throughput_bytes_per_second'],
    [ESCAPED, 'custom_metric', 'custom_unit', 'gauge', 'custom_metric_custom_unit'],
    [ESCAPED, 'custom_metric', '{custom}', 'gauge', 'custom_metric'],
    [ESCAPED, 'custom_metric', 'By/{custom}', 'gauge', 'custom_metric_bytes'],
    [ESCAPED, 'requests_total', '', 'counter', 'requests_total'],
    [ESCAPED, 'total_requests', '', 'counter', 'requests_total'],
    [ESCAPED, 'cpu_usage_ratio', '1', 'gauge', 'cpu_usage_ratio'],
    [ESCAPED, 'response_time_seconds', 's', 'gauge', 'response_time_seconds'],
    [
      ESCAPED,
      'metric__with__multiple__underscores',
      'unit__multiple__underscores',
      'gauge',
      'metric_with_multiple_underscores_unit_multiple_underscores',
    ],
    [ESCAPED, 'custom_metric', 'unit@with#special/chars', 'gauge', 'custom_metric_unit_with_special_per_chars'],
    [ESCAPED, '123_requests', '', 'counter', '_123_requests_total'],
    [ESCAPED, '@#$%', '', 'gauge', undefined],
    [ESCAPED, 'metric', 'By/', 'gauge', 'metric_bytes'],
    [ESCAPED, 'metric', ' By / s ', 'gauge', 'metric_bytes_per_second'],
    [ESCAPED, 'metric', '/', 'gauge', 'metric'],
    [ESCAPED, 'http.request.duration', 'ms', 'other', 'http_request_duration_milliseconds'],
    [ESCAPED, 'http.server.request.duration', 's', 'other', 'http_server_request_duration_seconds'],
    [UTF8, 'requêsts', '', 'counter', 'requêsts_total'],
    [UTF8, 'cpu_usagé', '1', 'gauge', 'cpu_usagé_ratio'],
    [UTF8, 'respønse_time', 'ms', 'gauge', 'respønse_time_milliseconds'],
    [UTF8, 'requêsts', '1/s', 'counter', 'requêsts_per_second_total'],
    [UTF8, 'requests_total', '', 'counter', 'requests_total'],
    [UTF8, 'cpu_usage_ratio', '1', 'gauge', 'cpu_usage_ratio'],
    [UTF8, 'response_time_seconds', 's', 'gauge', 'response_time_seconds'],
    [UTF8, 'cpu_seconds_total', 's', 'counter', 'cpu_seconds_total'],
    [UTF8, 'otelcol_process_cpu_seconds', 's', 'counter', 'otelcol_process_cpu_seconds_total'],
    [UTF8, '@#$%', '', 'counter', '@#$%_total'],
    [UTF8, 'http.server.request.duration', 's', 'other', 'http.server.request.duration_seconds'],
    [RAW, 'métric_with_ñ_chars', '', 'gauge', 'métric_with_ñ_chars'],
    [RAW, '___', '', 'gauge', '___'],
    [RAW, 'http.requests', '1', 'counter', 'http.requests'],
  ])('with %s: %s in %s, a %s, is %s', (strategy, name, unit, kind, want) => {
    expect(metricNameOf({ name, unit, kind }, strategy)).toBe(want);
  });
});

/**
 * What the documents that define the translation show, not a copy of our table: examples of OpenTelemetry's
 * "Prometheus and OpenMetrics Compatibility", Metric Metadata (cf3fda7: `ms`, `{packet}`, `1`, `foo/bar`), of the
 * Collector's pkg/translator/prometheus README, "Metric name", and instruments of the semantic conventions 1.27 by the
 * names that Prometheus's OpenTelemetry guide and Grafana's dashboards query them by.
 */
test.each<[name: string, unit: string, kind: NamedMetric['kind'], want: string]>([
  ['http.server.duration', 'ms', 'other', 'http_server_duration_milliseconds'],
  ['count.of.packets', '{packet}', 'other', 'count_of_packets'],
  ['a', '1', 'gauge', 'a_ratio'],
  ['a', 'foo/bar', 'other', 'a_foo_per_bar'],
  ['(lambda).function.executions(#)', '', 'other', 'lambda_function_executions'],
  ['system.filesystem.usage', 'By', 'other', 'system_filesystem_usage_bytes'],
  ['system.network.dropped', '{packets}', 'other', 'system_network_dropped'],
  ['system.network.dropped', 'packets', 'other', 'system_network_dropped_packets'],
  ['system.memory.utilization', '1', 'gauge', 'system_memory_utilization_ratio'],
  ['storage.filesystem.utilization', '%', 'gauge', 'storage_filesystem_utilization_percent'],
  ['astro.light.speed', 'm/s', 'gauge', 'astro_light_speed_meters_per_second'],
  ['system.processes.created', '', 'counter', 'system_processes_created_total'],
  ['http.server.request.duration', 's', 'other', 'http_server_request_duration_seconds'],
  ['http.server.request.body.size', 'By', 'other', 'http_server_request_body_size_bytes'],
  ['http.server.active_requests', '{request}', 'other', 'http_server_active_requests'],
  ['process.cpu.time', 's', 'counter', 'process_cpu_time_seconds_total'],
  ['jvm.memory.used', 'By', 'other', 'jvm_memory_used_bytes'],
  ['system.cpu.utilization', '1', 'gauge', 'system_cpu_utilization_ratio'],
  ['hw.temperature', 'Cel', 'gauge', 'hw_temperature_celsius'],
  ['hw.voltage', 'V', 'gauge', 'hw_voltage_volts'],
  ['hw.energy', 'J', 'counter', 'hw_energy_joules_total'],
  ['hw.power', 'W', 'gauge', 'hw_power_watts'],
  ['system.cpu.frequency', 'Hz', 'gauge', 'system_cpu_frequency_hertz'],
])('metricNameOf() gives %s in %s, a %s, its documented name', (name, unit, kind, want) => {
  expect(metricNameOf({ name, unit, kind }, ESCAPED)).toBe(want);
});

test.each([
  ['ms', 'milliseconds'],
  ['{packet}', ''],
  ['1', ''],
  ['foo/bar', 'foo_per_bar'],
  ['By/s', 'bytes_per_second'],
  ['m/s', 'meters_per_second'],
  ['unit@with#special/chars', 'unit_with_special_per_chars'],
])('unitNameOf(%s) is %s, and a suffix of the name', (unit, want) => {
  expect(unitNameOf(unit)).toBe(want);
  const name = metricNameOf({ name: 'x', unit, kind: 'other' }, ESCAPED);
  expect(name).toBe(want === '' ? 'x' : `x_${want}`);
});

test.each<[key: string, escaped: string | undefined, kept: string | undefined]>([
  ['label:with:colons', 'label_with_colons', 'label:with:colons'],
  ['LabelWithCapitalLetters', 'LabelWithCapitalLetters', 'LabelWithCapitalLetters'],
  ['label!with&special$chars)', 'label_with_special_chars_', 'label!with&special$chars)'],
  ['label_with_foreign_characters_字符', 'label_with_foreign_characters_', 'label_with_foreign_characters_字符'],
  ['label.with.dots', 'label_with_dots', 'label.with.dots'],
  ['.foo', '_foo', '.foo'],
  ['123label', 'key_123label', '123label'],
  ['_label_starting_with_underscore', '_label_starting_with_underscore', '_label_starting_with_underscore'],
  ['__label_starting_with_2underscores', '_label_starting_with_2underscores', '__label_starting_with_2underscores'],
  ['ようこそ', undefined, 'ようこそ'],
  ['label__with__double__underscores', 'label_with_double_underscores', 'label__with__double__underscores'],
  ['label.name__with&&special##chars', 'label_name_with_special_chars', 'label.name__with&&special##chars'],
  ['__reserved__label__name__', '__reserved_label_name__', '__reserved__label__name__'],
  ['trailing_underscores___', 'trailing_underscores_', 'trailing_underscores___'],
  ['', undefined, undefined],
  ['__', undefined, undefined],
])('labelNameOf(%s) is %s escaped, %s kept', (key, escaped, kept) => {
  expect(labelNameOf(key, ESCAPED)).toBe(escaped);
  expect(labelNameOf(key, BARE)).toBe(escaped);
  expect(labelNameOf(key, UTF8)).toBe(kept);
  expect(labelNameOf(key, RAW)).toBe(kept);
});
