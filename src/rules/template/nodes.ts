/** The tree of a template. `at` is where a node stands, in UTF-16 units of the text. */
export type Operand =
  | { readonly kind: 'dot'; readonly at: number }
  | { readonly kind: 'nil'; readonly at: number }
  | { readonly kind: 'bool'; readonly at: number; readonly value: boolean }
  | NumberNode
  | { readonly kind: 'string'; readonly at: number; readonly quoted: string; readonly value: string }
  | { readonly kind: 'function'; readonly at: number; readonly name: string }
  | { readonly kind: 'field'; readonly at: number; readonly path: readonly string[] }
  | { readonly kind: 'variable'; readonly at: number; readonly name: string; readonly path: readonly string[] }
  | { readonly kind: 'chain'; readonly at: number; readonly of: Operand; readonly path: readonly string[] }
  | Pipeline;

/** A constant that has no type yet: `1` is an int and a float, `1.5` a float alone. */
export interface NumberNode {
  readonly kind: 'number';
  readonly at: number;
  readonly text: string;
  readonly int: bigint | undefined;
  readonly float: number | undefined;
}

export interface Command {
  readonly at: number;
  readonly operands: readonly Operand[];
}

export interface Pipeline {
  readonly kind: 'pipeline';
  readonly at: number;
  /** Variables that get the value, with their `$`. */
  readonly variables: readonly string[];
  readonly assigns: boolean;
  readonly commands: readonly Command[];
}

export interface Branch {
  readonly kind: 'if' | 'with' | 'range';
  readonly at: number;
  readonly pipeline: Pipeline;
  readonly list: readonly Node[];
  readonly otherwise: readonly Node[] | undefined;
}

export type Node =
  | { readonly kind: 'text'; readonly at: number; readonly text: string }
  | { readonly kind: 'action'; readonly at: number; readonly pipeline: Pipeline }
  | Branch
  | {
      readonly kind: 'template';
      readonly at: number;
      readonly name: string;
      readonly pipeline: Pipeline | undefined;
    }
  | { readonly kind: 'break' | 'continue'; readonly at: number };

/** A node as Go writes it in its messages. */
export function formatNode(node: Operand | Node): string {
  switch (node.kind) {
    case 'dot':
      return '.';
    case 'nil':
      return 'nil';
    case 'bool':
      return String(node.value);
    case 'number':
      return node.text;
    case 'string':
      return node.quoted;
    case 'function':
      return node.name;
    case 'field':
      return dotted(node.path);
    case 'variable':
      return node.name + dotted(node.path);
    case 'chain':
      return (node.of.kind === 'pipeline' ? `(${formatNode(node.of)})` : formatNode(node.of)) + dotted(node.path);
    case 'pipeline': {
      const { variables, assigns, commands } = node;
      const left = variables.length === 0 ? '' : `${variables.join(', ')} ${assigns ? '=' : ':='} `;
      return left + commands.map(formatCommand).join(' | ');
    }
    case 'text':
      return JSON.stringify(node.text);
    case 'action':
      return `{{${formatNode(node.pipeline)}}}`;
    case 'template': {
      const pipeline = node.pipeline === undefined ? '' : ` ${formatNode(node.pipeline)}`;
      return `{{template ${JSON.stringify(node.name)}${pipeline}}}`;
    }
    case 'break':
    case 'continue':
      return `{{${node.kind}}}`;
    case 'if':
    case 'with':
    case 'range': {
      const inner = (list: readonly Node[]) => list.map(formatNode).join('');
      const otherwise = node.otherwise === undefined ? '' : `{{else}}${inner(node.otherwise)}`;
      return `{{${node.kind} ${formatNode(node.pipeline)}}}${inner(node.list)}${otherwise}{{end}}`;
    }
  }
}

export function formatCommand({ operands }: Command): string {
  return operands.map((one) => (one.kind === 'pipeline' ? `(${formatNode(one)})` : formatNode(one))).join(' ');
}

function dotted(path: readonly string[]): string {
  return path.map((name) => `.${name}`).join('');
}
