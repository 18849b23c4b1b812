import type { Message, MessageAlert } from '../alerting/message.ts';
import type { Expand } from '../notify/text.ts';
import { executeTemplate } from '../rules/template/execute.ts';
import { FUNCTION_NAMES } from '../rules/template/functions.ts';
import { parseTemplate, type Template } from '../rules/template/parse.ts';
import { type GoData, type GoTime, type GoValue, TemplateRunError, textMap } from '../rules/template/values.ts';

/** An instant that there is none of, as Go has it. */
const NO_TIME = -62_135_596_800_000n * 1_000_000n;

/**
 * Expands the texts of receivers with the template engine of the rules. What a text sees is what Alertmanager's see:
 * `.Status`, `.Alerts`, `.Alerts.Firing`, `.GroupLabels`, `.CommonAnnotations`, `.ExternalURL`, …, and `.Tenant`
 *
 * @param definitions What the files of templates say: the `define`s that texts may call.
 */
export function messageTemplates(definitions: string, externalUrl: string): Expand {
  const parsed = new Map<string, Template>();
  return (text, message) => {
    if (!text.includes('{{')) return text;
    let template = parsed.get(text);
    if (template === undefined) {
      // What stands between the definitions is no part of the text.
      template = parseTemplate('message', `${definitions}{{/* text */}}${text}`, FUNCTION_NAMES);
      parsed.set(text, template);
    }
    const query = (): never => {
      throw new TemplateRunError('a message asks no queries');
    };
    const world = { query, now: message.at / 1000, externalUrl };
    const expanded = executeTemplate('message', template, dataOf(message, externalUrl), world);
    return definitions === '' ? expanded : expanded.trimStart();
  };
}

function dataOf(message: Message, externalUrl: string): GoData {
  const { status, receiver, groupKey, groupLabels, commonLabels, commonAnnotations, alerts, truncatedAlerts } = message;
  const list = (of: readonly MessageAlert[], fields: readonly (readonly [string, GoValue])[] = []): GoValue => ({
    kind: 'list',
    items: of.map(alertData),
    fields: new Map(fields),
  });
  const ofStatus = (wanted: string) => list(alerts.filter((alert) => alert.status === wanted));
  return data({
    Status: status,
    Receiver: receiver,
    Tenant: message.tenant,
    GroupKey: groupKey,
    GroupLabels: pairs(groupLabels),
    CommonLabels: pairs(commonLabels),
    CommonAnnotations: pairs(commonAnnotations),
    ExternalURL: externalUrl,
    TruncatedAlerts: BigInt(truncatedAlerts),
    Alerts: list(alerts, [
      ['Firing', ofStatus('firing')],
      ['Resolved', ofStatus('resolved')],
    ]),
  });
}

function alertData({ status, labels, annotations, startsAt, endsAt, generatorUrl, fingerprint }: MessageAlert): GoData {
  return data({
    Status: status,
    Labels: pairs(labels),
    Annotations: pairs(annotations),
    StartsAt: time(startsAt),
    EndsAt: endsAt === undefined ? { kind: 'time', ns: NO_TIME } : time(endsAt),
    GeneratorURL: generatorUrl,
    Fingerprint: fingerprint,
  });
}

function data(fields: Readonly<Record<string, GoValue>>): GoData {
  return { kind: 'data', fields: new Map(Object.entries(fields)) };
}

function pairs(of: Readonly<Record<string, string>>): GoValue {
  return textMap(Object.entries(of));
}

function time(at: number): GoTime {
  return { kind: 'time', ns: BigInt(Math.round(at)) * 1_000_000n };
}
