// Where processors and connections are drawn: dagre's layered layout, with rules of our own for failure paths.
//
// Nearly every processor has a connection for its failures, and they end at one or two places. As equal edges they would
// pull the whole graph together there, and draw most of its lines. So they only help to place their target where nothing
// else does, and are drawn as plain curves in the background.
import dagre from '@dagrejs/dagre';

export type Direction = 'right' | 'down';

export interface LayoutEdge {
  id: string;
  /** What is written beside it, in characters: it wants room. */
  label?: number;
  from: string;
  to: string;
  failure: boolean;
}
export interface Point {
  x: number;
  y: number;
}
export interface Layout {
  direction: Direction;
  width: number;
  height: number;
  /** Upper left corners. */
  nodes: Map<string, Point>;
  edges: Map<string, EdgeShape>;
}
export interface EdgeShape {
  path: string;
  label: Point;
  /** The tip of the arrow, and where it points to: degrees clockwise from rightwards. */
  tip: Point;
  angle: number;
}

export const NODE_WIDTH = 208;
export const NODE_HEIGHT = 66;
/** Between processors that follow one another: wide enough for the names of relationships. */
const RANK_GAP_RIGHT = 76;
const RANK_GAP_DOWN = 40;
/** Beside one another. */
const NODE_GAP_RIGHT = 24;
const NODE_GAP_DOWN = 30;

export function layoutGraph(nodes: readonly string[], edges: readonly LayoutEdge[], direction: Direction): Layout {
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  graph.setGraph({
    rankdir: direction === 'right' ? 'LR' : 'TB',
    nodesep: direction === 'right' ? NODE_GAP_RIGHT : NODE_GAP_DOWN,
    edgesep: 14,
    ranksep: direction === 'right' ? RANK_GAP_RIGHT : RANK_GAP_DOWN,
    marginx: 4,
    marginy: 4,
    // Its default takes seconds for some hundred processors, and looks no better.
    ranker: nodes.length > 60 ? 'longest-path' : 'network-simplex',
  });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const id of nodes) graph.setNode(id, { width: NODE_WIDTH, height: NODE_HEIGHT });

  const placed = edgesThatPlace(edges);
  for (const edge of placed) {
    graph.setEdge(
      edge.from,
      edge.to,
      { width: 1 + 6 * (edge.label ?? 0), height: 1, weight: edge.failure ? 0 : 2, labelpos: 'c' },
      edge.id,
    );
  }
  dagre.layout(graph);

  const layout: Layout = {
    direction,
    width: graph.graph().width ?? 0,
    height: graph.graph().height ?? 0,
    nodes: new Map(),
    edges: new Map(),
  };
  for (const id of nodes) {
    const node = graph.node(id);
    layout.nodes.set(id, { x: Math.round(node.x - NODE_WIDTH / 2), y: Math.round(node.y - NODE_HEIGHT / 2) });
  }
  const routed = new Set(placed);
  const between = new Map<string, number>();
  const pair = (edge: LayoutEdge) => JSON.stringify([edge.from, edge.to]);
  for (const edge of placed) between.set(pair(edge), (between.get(pair(edge)) ?? 0) + 1);
  for (const edge of edges) {
    if (routed.has(edge)) {
      const { points } = graph.edge(edge.from, edge.to, edge.id);
      layout.edges.set(edge.id, smooth(docked(points, layout, edge, between.get(pair(edge)) === 1), direction));
    } else {
      const shape = curve(layout, edge);
      if (shape !== null) layout.edges.set(edge.id, shape);
    }
  }
  return layout;
}

/** All edges but the failures that lead where others, or three failures, lead already. */
function edgesThatPlace(edges: readonly LayoutEdge[]): LayoutEdge[] {
  const reached = new Map<string, number>();
  for (const edge of edges) {
    if (!edge.failure) reached.set(edge.to, Infinity);
  }
  return edges.filter(edge => {
    if (!edge.failure) return true;
    const already = reached.get(edge.to) ?? 0;
    reached.set(edge.to, already + 1);
    return already < 3;
  });
}

/** The direction in which the graph is seen largest in a window of this shape. */
export function betterDirection(
  nodes: readonly string[],
  edges: readonly LayoutEdge[],
  window: { width: number; height: number },
): Layout {
  // Twice the work is not worth it for large graphs, which fit nowhere,
  if (nodes.length > 60) return layoutGraph(nodes, edges, window.width >= window.height ? 'right' : 'down');
  // nor where one direction is plainly better: a layout takes a tenth of the time until the flow is first seen.
  const { ranks, widest } = extent(nodes, edges);
  const estimate = {
    right: Math.min(
      window.width / (ranks * (NODE_WIDTH + RANK_GAP_RIGHT)),
      window.height / (widest * (NODE_HEIGHT + NODE_GAP_RIGHT)),
    ),
    down: Math.min(
      window.width / (widest * (NODE_WIDTH + NODE_GAP_DOWN)),
      window.height / (ranks * (NODE_HEIGHT + RANK_GAP_DOWN)),
    ),
  };
  if (estimate.right > PLAINLY * estimate.down) return layoutGraph(nodes, edges, 'right');
  if (estimate.down > PLAINLY * estimate.right) return layoutGraph(nodes, edges, 'down');
  const right = layoutGraph(nodes, edges, 'right');
  const down = layoutGraph(nodes, edges, 'down');
  const scale = (layout: Layout) => Math.min(window.width / layout.width, window.height / layout.height);
  return scale(right) >= scale(down) * 0.95 ? right : down;
}

/** How much larger a graph must promise to be in one direction for the other not to be tried. */
const PLAINLY = 1.25;

/** How many processors follow one another at most, and how many stand beside one another: roughly as dagre will. */
export function extent(nodes: readonly string[], edges: readonly LayoutEdge[]): { ranks: number; widest: number } {
  const followers = new Map<string, string[]>();
  for (const { from, to } of edgesThatPlace(edges)) followers.set(from, [...(followers.get(from) ?? []), to]);
  // Depth first, so that an edge back to what is under way closes a loop, which has no ranks.
  const order: string[] = [];
  const seen = new Map<string, 'under way' | 'done'>();
  const back = new Set<string>();
  const visit = (node: string) => {
    seen.set(node, 'under way');
    for (const next of followers.get(node) ?? []) {
      if (!seen.has(next)) visit(next);
      else if (seen.get(next) === 'under way') back.add(JSON.stringify([node, next]));
    }
    seen.set(node, 'done');
    order.push(node);
  };
  for (const node of nodes) if (!seen.has(node)) visit(node);
  const rank = new Map<string, number>();
  const size: number[] = [];
  for (const node of order.reverse()) {
    const mine = rank.get(node) ?? 0;
    size[mine] = (size[mine] ?? 0) + 1;
    for (const next of followers.get(node) ?? []) {
      if (!back.has(JSON.stringify([node, next]))) rank.set(next, Math.max(rank.get(next) ?? 0, mine + 1));
    }
  }
  return { ranks: Math.max(1, size.length), widest: Math.max(1, ...size.map(count => count ?? 0)) };
}

const at = (value: number) => Math.round(value * 10) / 10;

/** With both ends on those sides of the boxes that face the next bend, as high or as far right as that allows. */
function docked(points: readonly Point[], layout: Layout, edge: LayoutEdge, alone: boolean): Point[] {
  const bends = points.slice(1, -1);
  const from = layout.nodes.get(edge.from);
  const to = layout.nodes.get(edge.to);
  const first = bends[0] ?? points[0];
  const last = bends.at(-1) ?? points.at(-1);
  if (from === undefined || to === undefined || first === undefined || last === undefined) return [...points];
  // Between neighbouring ranks nothing is in the way but lines between the same two, and dagre's bend for the label may
  // be anywhere.
  const right = layout.direction === 'right';
  const gap = right ? to.x - from.x - NODE_WIDTH : to.y - from.y - NODE_HEIGHT;
  if (alone && gap > 0 && gap < 1.5 * (right ? RANK_GAP_RIGHT : RANK_GAP_DOWN))
    return [dock(from, centre(to), layout.direction), dock(to, centre(from), layout.direction)];
  return [dock(from, first, layout.direction), ...bends, dock(to, last, layout.direction)];
}

function centre(box: Point): Point {
  return { x: box.x + NODE_WIDTH / 2, y: box.y + NODE_HEIGHT / 2 };
}

function dock(box: Point, towards: Point, direction: Direction): Point {
  const inner = (low: number, size: number, value: number) =>
    Math.min(low + size * 0.8, Math.max(low + size * 0.2, value));
  if (direction === 'right') {
    const right = towards.x > box.x + NODE_WIDTH / 2;
    return { x: right ? box.x + NODE_WIDTH : box.x, y: inner(box.y, NODE_HEIGHT, towards.y) };
  }
  const below = towards.y > box.y + NODE_HEIGHT / 2;
  return { x: inner(box.x, NODE_WIDTH, towards.x), y: below ? box.y + NODE_HEIGHT : box.y };
}

/** A curve that leaves and arrives in the layout's direction, by way of all points. */
function smooth(points: readonly Point[], direction: Direction): EdgeShape {
  const right = direction === 'right';
  const first = points[0] ?? { x: 0, y: 0 };
  const tip = points.at(-1) ?? first;
  let path = `M${at(first.x)},${at(first.y)}`;
  let angle = right ? 0 : 90;
  for (let i = 1; i < points.length; ++i) {
    const a = points[i - 1] as Point;
    const b = points[i] as Point;
    const half = right ? (b.x - a.x) / 2 : (b.y - a.y) / 2;
    path += right
      ? `C${at(a.x + half)},${at(a.y)} ${at(b.x - half)},${at(b.y)} ${at(b.x)},${at(b.y)}`
      : `C${at(a.x)},${at(a.y + half)} ${at(b.x)},${at(b.y - half)} ${at(b.x)},${at(b.y)}`;
    angle = (right ? 0 : 90) + (half < 0 ? 180 : 0);
  }
  return { path, label: middle(points), tip, angle };
}

/** The bend in the middle; of a line without one, half way. */
function middle(points: readonly Point[]): Point {
  const a = points[Math.floor((points.length - 1) / 2)] ?? { x: 0, y: 0 };
  const b = points[Math.ceil((points.length - 1) / 2)] ?? a;
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
}

/** From one box to another, whatever lies between. */
function curve(layout: Layout, edge: LayoutEdge): EdgeShape | null {
  const from = layout.nodes.get(edge.from);
  const to = layout.nodes.get(edge.to);
  if (from === undefined || to === undefined) return null;
  const right = layout.direction === 'right';
  const a = right
    ? { x: from.x + NODE_WIDTH, y: from.y + NODE_HEIGHT * 0.75 }
    : { x: from.x + NODE_WIDTH * 0.75, y: from.y + NODE_HEIGHT };
  const b = right ? { x: to.x, y: to.y + NODE_HEIGHT * 0.5 } : { x: to.x + NODE_WIDTH * 0.5, y: to.y };
  const reach = Math.max(40, Math.abs(right ? b.x - a.x : b.y - a.y) * 0.45);
  const c = right ? { x: a.x + reach, y: a.y } : { x: a.x, y: a.y + reach };
  const d = right ? { x: b.x - reach, y: b.y } : { x: b.x, y: b.y - reach };
  return {
    path: `M${at(a.x)},${at(a.y)}C${at(c.x)},${at(c.y)} ${at(d.x)},${at(d.y)} ${at(b.x)},${at(b.y)}`,
    label: { x: at((a.x + 3 * c.x + 3 * d.x + b.x) / 8), y: at((a.y + 3 * c.y + 3 * d.y + b.y) / 8) },
    tip: b,
    angle: right ? 0 : 90,
  };
}

export type Step = 'left' | 'right' | 'up' | 'down';

/** The processor that an arrow key leads to from `id`: the nearest in that direction; what is straight ahead first. */
export function neighbour(layout: Layout, id: string, step: Step): string | null {
  const from = layout.nodes.get(id);
  if (from === undefined) return null;
  let best: string | null = null;
  let least = Infinity;
  for (const [other, point] of layout.nodes) {
    if (other === id) continue;
    const dx = point.x - from.x;
    const dy = point.y - from.y;
    const ahead = step === 'left' ? -dx : step === 'right' ? dx : step === 'up' ? -dy : dy;
    const aside = Math.abs(step === 'left' || step === 'right' ? dy : dx);
    if (ahead < 10) continue;
    const distance = ahead + 2 * aside;
    if (distance < least) {
      least = distance;
      best = other;
    }
  }
  return best;
}
