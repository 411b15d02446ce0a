// A FlowFile's lineage as a graph in time: what it came from at the left, what became of it at the right.
import dagre from '@dagrejs/dagre';
import { merge, size } from './intervals';
import type { Lineage, LineageEdge, LineageNode } from './types';
import type { Point } from './layout';

export const EVENT_WIDTH = 172;
export const EVENT_HEIGHT = 52;

export type EventNode = Extract<LineageNode, { kind: 'event' }>;

/** Events of one kind, of one processor, as far from the FlowFile: drawn as one. */
export interface EventGroup extends EventNode {
  events: number;
}
export type DrawnNode = Exclude<LineageNode, EventNode> | EventGroup;
export interface DrawnLineage {
  nodes: DrawnNode[];
  edges: LineageEdge[];
}

/** A mean of 300 readings has 2,000 events behind it, and half a dozen kinds of them: those are what is looked at. */
export function collapse(lineage: Pick<Lineage, 'nodes' | 'edges'>): DrawnLineage {
  const groups = new Map<string, EventGroup>();
  const groupOf = new Map<string, string>();
  const nodes: DrawnNode[] = [];
  for (const node of lineage.nodes) {
    if (node.kind === 'flowfile') {
      groupOf.set(node.id, node.id);
      nodes.push(node);
      continue;
    }
    const key = JSON.stringify([node.depth, node.type, node.processor, node.in_connection, node.out_connection]);
    const group = groups.get(key);
    if (group === undefined) {
      const first = { ...node, events: 1 };
      groups.set(key, first);
      nodes.push(first);
      groupOf.set(node.id, node.id);
      continue;
    }
    groupOf.set(node.id, group.id);
    ++group.events;
    group.bytes += node.bytes;
    group.duration_seconds += node.duration_seconds;
    if (node.time > group.time) group.time = node.time;
    group.inputs = group.inputs.concat(node.inputs);
    group.outputs = group.outputs.concat(node.outputs);
    if (node.details !== group.details) group.details = '';
    if (node.transit_uri !== group.transit_uri) group.transit_uri = null;
  }
  for (const group of groups.values()) {
    group.inputs = merge(group.inputs);
    group.outputs = merge(group.outputs);
  }
  const edges = new Map<string, LineageEdge>();
  for (const edge of lineage.edges) {
    const from = groupOf.get(edge.from);
    const to = groupOf.get(edge.to);
    if (from === undefined || to === undefined) continue;
    const key = JSON.stringify([from, to, edge.connection]);
    const known = edges.get(key);
    if (known === undefined) edges.set(key, { ...edge, from, to });
    else known.flowfiles = known.flowfiles.concat(edge.flowfiles);
  }
  for (const edge of edges.values()) {
    edge.flowfiles = merge(edge.flowfiles);
    edge.count = Math.max(edge.count, size(edge.flowfiles));
  }
  return { nodes, edges: [...edges.values()] };
}

/** What the sources brought for the FlowFile, by connection: the readings in a mean. */
export function origins(lineage: Pick<Lineage, 'nodes'>): Map<string, [number, number][]> {
  const brought = new Map<string, [number, number][]>();
  for (const node of lineage.nodes) {
    if (node.kind !== 'event' || node.depth >= 0 || node.in_connection !== null || node.out_connection === null)
      continue;
    brought.set(node.out_connection, (brought.get(node.out_connection) ?? []).concat(node.outputs));
  }
  for (const [connection, intervals] of brought) brought.set(connection, merge(intervals));
  return brought;
}

export interface LineageLayout {
  width: number;
  height: number;
  nodes: { node: DrawnNode; x: number; y: number }[];
  edges: { edge: LineageEdge; path: string; label: Point }[];
}

export function layoutLineage(lineage: DrawnLineage): LineageLayout {
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  graph.setGraph({ rankdir: 'LR', nodesep: 18, ranksep: 56, marginx: 8, marginy: 8 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of lineage.nodes) graph.setNode(node.id, { width: EVENT_WIDTH, height: EVENT_HEIGHT });
  lineage.edges.forEach((edge, index) => graph.setEdge(edge.from, edge.to, {}, String(index)));
  dagre.layout(graph);
  const place = (id: string) => graph.node(id) as { x: number; y: number };
  return {
    width: graph.graph().width ?? 0,
    height: graph.graph().height ?? 0,
    nodes: lineage.nodes.map(node => {
      const { x, y } = place(node.id);
      return { node, x: x - EVENT_WIDTH / 2, y: y - EVENT_HEIGHT / 2 };
    }),
    edges: lineage.edges.map(edge => {
      const a = { x: place(edge.from).x + EVENT_WIDTH / 2, y: place(edge.from).y };
      const b = { x: place(edge.to).x - EVENT_WIDTH / 2, y: place(edge.to).y };
      const half = (b.x - a.x) / 2;
      return {
        edge,
        path: `M${a.x},${a.y}C${a.x + half},${a.y} ${b.x - half},${b.y} ${b.x},${b.y}`,
        label: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 },
      };
    }),
  };
}
