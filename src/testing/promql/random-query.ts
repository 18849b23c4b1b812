import { functionNames, signatureOf } from '../../promql/functions/signatures.ts';
import { pick, type Random } from '../fuzz/mutate.ts';
import type { Question } from './compare-answers.ts';
import type { ShopHour } from './shop-hour.ts';

const FLOATS = [
  ...['temperature', 'up', 'http_requests_total', 'odd', 'sparse', 'begins', 'blinks', 'begins', 'blinks', 'constant'],
  ...['level', 'stock', 'shapes', '{"dotted.metric"}', '{"ünïcode metric"}', 'sum', 'ns:level:sum', 'build_info'],
  ...['request_seconds_sum', 'request_seconds_count', 'request_seconds_bucket', 'summary', 'target_info'],
  ...['temperature', 'up', 'http_requests_total', '{__name__=~"up|temperature"}', '{job="api",__name__=~"up|ns.*"}'],
];
const HISTOGRAMS = [
  ...['latency', 'latency', 'mixed', 'spread', 'sized', 'resized', 'rebound', 'empty_latency', 'nan_latency'],
];
const BUCKETS = ['request_seconds_bucket', 'falling_bucket', 'endless_bucket', 'strange_bucket', 'latency', 'sized'];
const LABELS = ['job', 'instance', 'code', 'method', 'room', 'le', 'kind', 'shelf', 'version', '__name__', 'absent'];
const MATCHERS = [
  ...[
    'job="api"',
    'job!="web"',
    'job="api"',
    'instance!="a:80"',
    'job=~"a.*|few"',
    'instance!~"a.*"',
    'code=~"2..|500"',
    'code="200"',
    'method="GET"',
  ],
  ...[
    'kind!="all"',
    'nothing=""',
    'kind=~".*n.*"',
    'le=~"0.*|.Inf"',
    'absent=""',
    'absent!="x"',
    'instance="b:80"',
    "job='api'",
  ],
  ...['"job"="api"', 'job=~""', 'le!=""', 'size=~"sm.+"', 'shelf=~"[0-9]+|b"', 'room=~"room-.", job=~".+"'],
];
const LENGTHS = ['1s', '15s', '45s', '1m', '61s', '90s', '2m', '5m', '7m', '10m', '30m', '1h', '300', '1m30s', '0.5'];
const NUMBERS = [
  ...['0', '1', '2', '3', '0.5', '10', '100', '-1', '1e3', '.5', '5.', '0x1F', '1_000', '1m', 'Inf', '-Inf', 'NaN'],
  ...['-0', '1e-9', '1e300', '017', '2.5', '7', '+4', '1e+2'],
];
const ARITHMETIC = ['+', '-', '*', '/', '%', '^', 'atan2'];
const COMPARISONS = ['==', '!=', '<', '<=', '>', '>='];
const SETS = ['and', 'or', 'unless'];
const SIMPLE = ['sum', 'avg', 'count', 'min', 'max', 'group', 'stddev', 'stdvar', 'SUM', 'Avg'];
const BY_EVALUATOR = new Set(['label_replace', 'label_join', 'info', 'sort_by_label', 'sort_by_label_desc', 'vector']);
/** Their result is not an order that a comparison could rely on, or is the clock's. */
const OF_VECTOR = functionNames().filter((name) => {
  const { args, returns } = signatureOf(name)!;
  return returns === 'vector' && args.length > 0 && !args.includes('matrix') && !BY_EVALUATOR.has(name);
});
const OF_MATRIX = functionNames().filter((name) => signatureOf(name)!.args.includes('matrix'));

type Kind = 'floats' | 'histograms' | 'buckets' | 'any';

/** Writes random PromQL from the grammar, typed so that most of it is sound, over the metrics of `shopHour`. */
export function randomQuestion(random: Random, { start, end }: Pick<ShopHour, 'start' | 'end'>): Question {
  const query = queryWriter(random, start).query();
  const at = start + Math.floor((0.05 + random()) * (end - start));
  if (random() < 0.5) return { query, start: at, end: at };
  const stepMs = pick(random, [1_000, 7_000, 15_000, 30_000, 37_000, 60_000, 61_500, 300_000]);
  const steps = 1 + Math.floor(random() * 40);
  return { query, start: at, end: at + steps * stepMs, stepMs };
}

function queryWriter(random: Random, start: number) {
  const maybe = (share: number) => random() < share;
  const one = <T>(from: readonly T[]): T => pick(random, from);
  const labels = () => Array.from({ length: Math.floor(random() * 3) }, () => one(LABELS)).join(', ');

  const length = (): string => {
    if (maybe(0.93)) return one(LENGTHS);
    return one([
      'step() * 2',
      '(1m + 30s)',
      'max_of(step(), 1m)',
      '2 * 1m',
      '10m / 4',
      'range() + 1',
      '-(-5m)',
      '2 ^ 6',
    ]);
  };
  const modifiers = (): string => {
    let text = '';
    if (maybe(0.12)) text += ` offset ${one(['1m', '-1m', '37s', '10m', '1h', '-30s', '(1m - 20s)', 'step()'])}`;
    if (maybe(0.1)) {
      const time = ((start + Math.floor(random() * 3_600_000)) / 1000).toFixed(one([0, 1, 3]));
      const at = ` @ ${one([time, 'start()', 'end()'])}`;
      text = maybe(0.5) ? text + at : at + text;
    }
    return text;
  };
  const metric = (kind: Kind): string => {
    const from =
      kind === 'floats' ? FLOATS : kind === 'histograms' ? HISTOGRAMS : kind === 'buckets' ? BUCKETS : undefined;
    const name = one(from ?? (maybe(0.75) ? FLOATS : maybe(0.7) ? HISTOGRAMS : BUCKETS));
    if (name.startsWith('{') || maybe(0.75)) return name;
    return `${name}{${Array.from({ length: maybe(0.8) ? 1 : 2 }, () => one(MATCHERS)).join(one([',', ', ']))}}`;
  };
  const selector = (kind: Kind): string => {
    const text = `${metric(kind)}${maybe(0.03) ? ' smoothed' : maybe(0.02) ? ' anchored' : ''}`;
    return `${text}${modifiers()}`;
  };
  const matrix = (depth: number, kind: Kind): string => {
    if (depth <= 0 || maybe(0.7)) {
      const extended = maybe(0.06) ? one([' smoothed', ' anchored']) : '';
      return `${metric(kind)}[${length()}]${extended}${modifiers()}`;
    }
    const step = maybe(0.3) ? '' : one(['15s', '1m', '10s', '40s', '2m', '45', 'step()']);
    return `${operand(vector(depth - 1, kind))}[${one(['1m', '3m', '5m', '10m', '7m30s'])}:${step}]${modifiers()}`;
  };
  /** What a subquery may follow without parentheses, or else in them. */
  const operand = (text: string): string => (/^[a-z_]+\{[^{}()]*\}$|^[a-z_]+$/.test(text) ? text : `(${text})`);
  const string = (): string => one(['"job"', '"x"', "'instance'", '`le`', '"a b"', '"ü"', '""', '"new"']);

  const scalar = (depth: number): string => {
    if (depth <= 0 || maybe(0.5)) return one(NUMBERS);
    const what = random();
    if (what < 0.25) return `scalar(${vector(depth - 1, 'floats')})`;
    if (what < 0.4) return one(['time()', 'pi()', 'step()', 'range()', 'start()', 'end()']);
    if (what < 0.5) return `${one(['max_of', 'min_of'])}(${scalar(depth - 1)}, ${scalar(depth - 1)})`;
    if (what < 0.6) return `-${scalar(depth - 1)}`;
    if (what < 0.7) return `(${scalar(depth - 1)})`;
    if (what < 0.8) return `${scalar(depth - 1)} ${one(COMPARISONS)} bool ${scalar(depth - 1)}`;
    return `${scalar(depth - 1)} ${one(ARITHMETIC)} ${scalar(depth - 1)}`;
  };

  const aggregation = (depth: number, kind: Kind): string => {
    const what = random();
    const grouping = maybe(0.35) ? '' : `${one(['by', 'without', 'BY'])} (${labels()})`;
    let op = one(SIMPLE);
    let parameter = '';
    if (what > 0.6) {
      op = one(['topk', 'bottomk', 'quantile', 'count_values', 'limitk', 'limit_ratio']);
      parameter = `${op === 'count_values' ? one(['"v"', '"job"', '"le"']) : parameterOf(op, depth)}, `;
    }
    const inner = `(${parameter}${vector(depth - 1, kind)})`;
    return maybe(0.5) ? `${op} ${grouping}${inner}` : `${op}${inner} ${grouping}`;
  };
  const parameterOf = (op: string, depth: number): string => {
    if (maybe(0.15)) return scalar(depth - 1);
    if (op === 'quantile') return one(['0.5', '0.9', '0', '1', '-1', '2', 'NaN', '0.25']);
    return op === 'limit_ratio'
      ? one(['0.5', '-0.5', '0.1', '-0.9', '1', '1.5'])
      : one(['1', '2', '3', '0', '-1', '2.7']);
  };

  const matched = (depth: number, kind: Kind): string => {
    const set = maybe(0.3);
    const op = set ? one(SETS) : maybe(0.6) ? one(ARITHMETIC) : `${one(COMPARISONS)}${maybe(0.3) ? ' bool' : ''}`;
    const fill =
      !set && maybe(0.12)
        ? one([' fill (0)', ' fill_left (1)', ' fill_right (-2)', ' fill_left (1) fill_right (2)'])
        : '';
    const way = random();
    if (way < 0.35) {
      // The same series on both sides.
      const name = metric(kind);
      const right = maybe(0.5)
        ? `${name} offset ${one(['1m', '5m', '-1m'])}`
        : `${one(['abs', 'ceil', 'sgn', '-'])}(${name})`;
      return `${name} ${op}${fill} ${right}`;
    }
    const names = labels() || 'job';
    if (way < 0.65) {
      // The same groups on both sides.
      const side = () => `${one(['sum', 'max', 'count', 'avg'])} by (${names}) (${vector(depth - 1, kind)})`;
      return `${side()} ${op}${maybe(0.5) ? ` on (${names})` : ''}${fill} ${side()}`;
    }
    if (way < 0.8 && !set) {
      const many = vector(depth - 1, kind);
      const single = `${one(['sum', 'max'])} by (${names}) (${vector(depth - 1, kind)})`;
      const include = maybe(0.3) ? ` (${labels()})` : maybe(0.5) ? ' ()' : '';
      const matching = `on (${names})`;
      return maybe(0.6)
        ? `${operand(many)} ${op} ${matching} group_left${include}${fill} ${single}`
        : `${single} ${op} ${matching} group_right${include}${fill} ${operand(many)}`;
    }
    const matching = maybe(0.5) ? ` ${one(['on', 'ignoring'])} (${labels()})` : '';
    return `${operand(vector(depth - 1, kind))} ${op}${matching}${fill} ${operand(vector(depth - 1, kind))}`;
  };

  const call = (depth: number, kind: Kind): string => {
    const what = random();
    if (what < 0.5) return `${one(OF_MATRIX)}`.replace(/.+/, (name) => ofMatrix(name, depth, kind));
    if (what < 0.6) {
      const quantile = maybe(0.85) ? one(['0.5', '0.9', '0.99', '0', '1', '-1', '0.25']) : scalar(depth - 1);
      const of = vector(depth - 1, maybe(0.5) ? 'buckets' : 'histograms');
      return maybe(0.7)
        ? `histogram_quantile(${quantile}, ${of})`
        : maybe(0.5)
          ? `histogram_fraction(${scalar(0)}, ${scalar(0)}, ${of})`
          : `histogram_quantiles(${of.replaceAll('strange', 'falling')}, "q", ${quantile}, 0.5)`;
    }
    if (what < 0.66) {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference to a group, as Go's regular expressions have it.
      const replacement = one(['"$1"', '"x$1y"', '""', '"$0"', '"${1}-$2"', '"plain"']);
      const regex = one(['"(.*)"', '"(a).*"', '"(.+):(.+)"', '""', '".*"', '"([0-9]+)"']);
      return `label_replace(${vector(depth - 1, kind)}, ${string()}, ${replacement}, ${one(LABELS.map((l) => `"${l}"`))}, ${regex})`;
    }
    if (what < 0.69)
      return `label_join(${vector(depth - 1, kind)}, ${string()}, ${one(['"-"', '""'])}, "job", "instance")`;
    if (what < 0.73) {
      const chosen = one([
        '',
        ', {version=~".+"}',
        ', {__name__="build_info"}',
        ', {region="eu"}',
        ', {__name__=~".+_info"}',
      ]);
      return `info(${vector(depth - 1, kind)}${chosen})`;
    }
    if (what < 0.75) return `vector(${scalar(depth - 1)})`;
    if (what < 0.77) return `sort_by_label(${vector(depth - 1, kind)}, "job", "instance")`;
    return ofVector(one(OF_VECTOR), depth, kind);
  };
  const ofMatrix = (name: string, depth: number, kind: Kind): string => {
    const args = signatureOf(name)!.args.map((type) => {
      if (type === 'matrix') return matrix(depth - 1, kind);
      return name === 'double_exponential_smoothing' ? one(['0.1', '0.5', '0.9']) : scalar(depth - 2);
    });
    return `${name}(${args.join(', ')})`;
  };
  const ofVector = (name: string, depth: number, kind: Kind): string => {
    const { args, variadic } = signatureOf(name)!;
    const wanted = variadic > 0 && maybe(0.5) ? args.slice(0, -1) : args;
    const inner = name.startsWith('histogram_') && maybe(0.8) ? 'histograms' : kind;
    const texts = wanted.map((type) =>
      type === 'vector' ? vector(depth - 1, inner) : type === 'string' ? string() : scalar(depth - 1),
    );
    return `${name}(${texts.join(', ')})`;
  };

  const vector = (depth: number, kind: Kind): string => {
    if (depth <= 0) return selector(kind);
    const what = random();
    if (what < 0.12) return selector(kind);
    if (what < 0.32) return aggregation(depth, kind);
    if (what < 0.6) return call(depth, kind);
    if (what < 0.74) return matched(depth, kind);
    if (what < 0.9) {
      const op = maybe(0.6) ? one(ARITHMETIC) : `${one(COMPARISONS)}${maybe(0.3) ? ' bool' : ''}`;
      const [a, b] = [vector(depth - 1, kind), scalar(depth - 1)];
      return maybe(0.7) ? `${a} ${op} ${b}` : `${b} ${op} ${a}`;
    }
    if (what < 0.92) return `${vector(depth - 1, 'histograms')} ${one(['</', '>/'])} ${scalar(0)}`;
    if (what < 0.96) return `-${vector(depth - 1, kind)}`;
    return `(${vector(depth - 1, kind)})`;
  };

  return {
    query(): string {
      const depth = 1 + Math.floor(random() * 4);
      const kind = one<Kind>(['any', 'floats', 'floats', 'histograms', 'buckets']);
      const what = random();
      if (what < 0.93) return vector(depth, kind);
      if (what < 0.95) return scalar(depth);
      if (what < 0.97) return matrix(depth, kind);
      // Of the wrong type, which is refused.
      const wrong = one([matrix(1, kind), scalar(2), string(), '1 > 2']);
      return one([
        `sum(${wrong})`,
        `rate(${wrong})`,
        `${wrong} + up`,
        `abs(${wrong}, 1)`,
        `(${wrong})[5m:]`,
        `up and ${wrong}`,
      ]);
    },
  };
}
