import { stringify } from 'yaml';
import { z } from 'zod';
import { SettingsDocument } from './schema.ts';

interface SchemaNode {
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
}

const HEADER = `# Settings of Foresail. Every setting is optional: the values here are the defaults.
# Flags of \`foresail serve\` win over this file; \`foresail check foresail.yaml\` checks it.
`;

/** The settings file with every setting at its default and a comment above each, made from the schema. */
export function commentedSettings(): string {
  const schema = z.toJSONSchema(SettingsDocument, { io: 'input' }) as SchemaNode;
  return `${HEADER}\n${section(schema, '').join('\n')}`;
}

function section({ properties = {} }: SchemaNode, indent: string): readonly string[] {
  return Object.entries(properties).flatMap(([key, node]) => {
    const comment = wrap(node.description ?? '', 118 - indent.length).map((line) => `${indent}# ${line}`);
    const gap = indent === '' ? [''] : [];
    // What has an example is written as that: its parts do not stand alone.
    if (node.properties !== undefined && node.examples === undefined) {
      return [...comment, `${indent}${key}:`, ...section(node, `${indent}  `), ...gap];
    }
    if (node.default !== undefined) return [...comment, ...yamlLines({ [key]: node.default }, indent), ...gap];
    const example = node.examples?.[0];
    if (example === undefined) return [...comment, `${indent}# ${key}:`, ...gap];
    return [...comment, ...yamlLines({ [key]: example }, `${indent}# `), ...gap];
  });
}

function yamlLines(value: unknown, indent: string): readonly string[] {
  return stringify(value, { lineWidth: 0 })
    .trimEnd()
    .split('\n')
    .map((line) => `${indent}${line}`);
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
