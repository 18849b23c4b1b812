import { formatLabels, type Labels, labelValue } from '../model/labels.ts';
import { formatMatcher, type Matcher } from '../model/matcher.ts';
import { compileMatchers, type LabelTest } from './matchers.ts';

/** Whom to tell of which alerts, and how often: a node of the tree. Lengths in milliseconds. */
export interface Route {
  readonly receiver: string;
  readonly matchers: readonly Matcher[];
  /** Whether its siblings behind it are asked as well once it matches. */
  readonly continue: boolean;
  /** Names of labels whose values make a group; `all`: each alert is told by itself. */
  readonly groupBy: readonly string[] | 'all';
  readonly groupWaitMs: number;
  readonly groupIntervalMs: number;
  readonly repeatIntervalMs: number;
  readonly routes: readonly Route[];
}

/** A group of alerts of one route: who hears of them, together. */
export interface GroupPlace {
  /** Equal exactly for the alerts that are told together; the same after a restart. */
  readonly key: string;
  readonly labels: Labels;
  readonly route: Route;
}

interface Compiled {
  readonly id: string;
  readonly route: Route;
  readonly test: LabelTest;
  readonly routes: readonly Compiled[];
}

/**
 * Where an alert belongs.
 * @param serves Whether a receiver may hear of the alerts in question: a route whose receiver may not is passed over.
 */
export function routing(root: Route, serves: (receiver: string) => boolean): (labels: Labels) => readonly GroupPlace[] {
  const top = compile(root, '');
  return (labels) => matching(top, labels, serves).map(({ route, id }) => placeOf(route, id, labels));
}

function compile(route: Route, above: string): Compiled {
  const here = `${above}${above === '' ? '' : '/'}{${route.matchers.map(formatMatcher).join(',')}}`;
  return {
    id: `${here}>${route.receiver}`,
    route,
    test: compileMatchers(route.matchers),
    routes: route.routes.map((child) => compile(child, here)),
  };
}

function matching(node: Compiled, labels: Labels, serves: (receiver: string) => boolean): readonly Compiled[] {
  if (!node.test(labels)) return [];
  const found: Compiled[] = [];
  for (const child of node.routes) {
    const below = matching(child, labels, serves);
    for (const one of below) if (!found.some(({ id }) => id === one.id)) found.push(one);
    if (below.length > 0 && !child.route.continue) break;
  }
  if (found.length > 0) return found;
  return serves(node.route.receiver) ? [node] : [];
}

function placeOf(route: Route, id: string, labels: Labels): GroupPlace {
  const { groupBy } = route;
  const own =
    groupBy === 'all' ? labels : labels.filter(([name]) => groupBy.includes(name) && labelValue(labels, name) !== '');
  return { key: `${id}:${own.length === 0 ? '{}' : formatLabels(own)}`, labels: own, route };
}
