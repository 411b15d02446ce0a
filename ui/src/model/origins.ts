// A dataset's way from its sources, drawn from left to right.
import dagre from '@dagrejs/dagre';
import type { DatasetDetail } from './types';

export const STEP_WIDTH = 128;
export const STEP_HEIGHT = 48;

export interface DrawnStep {
  name: string;
  role: 'source' | 'step' | 'dataset';
  x: number;
  y: number;
}
export interface DrawnOrigins {
  width: number;
  height: number;
  steps: DrawnStep[];
  paths: string[];
}

export function layoutOrigins(dataset: Pick<DatasetDetail, 'processor' | 'origins' | 'steps'>): DrawnOrigins {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: 'LR', nodesep: 14, ranksep: 28, marginx: 2, marginy: 2 });
  graph.setDefaultEdgeLabel(() => ({}));
  const sources = new Set(dataset.origins.map(origin => origin.processor));
  const names = new Set([dataset.processor, ...sources]);
  for (const { from, to } of dataset.steps) names.add(from).add(to);
  for (const name of names) graph.setNode(name, { width: STEP_WIDTH, height: STEP_HEIGHT });
  for (const { from, to } of dataset.steps) graph.setEdge(from, to);
  dagre.layout(graph);
  const { width = 0, height = 0 } = graph.graph();
  const at = (value: number) => Math.round(value * 10) / 10;
  return {
    width,
    height,
    steps: [...names].map(name => {
      const { x, y } = graph.node(name);
      const role = name === dataset.processor ? 'dataset' : sources.has(name) ? 'source' : 'step';
      return { name, role, x: at(x - STEP_WIDTH / 2), y: at(y - STEP_HEIGHT / 2) };
    }),
    paths: graph.edges().map(edge =>
      graph
        .edge(edge)
        .points.map(
          (point: { x: number; y: number }, index: number) => `${index === 0 ? 'M' : 'L'}${at(point.x)},${at(point.y)}`,
        )
        .join(''),
    ),
  };
}
