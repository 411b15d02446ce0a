// The flow as a graph that one can move and zoom. Panning changes one transform; a second's update only those
// processors and connections that changed.
import { signal } from '@preact/signals';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { navigate } from '../app';
import { betterDirection, layoutGraph, neighbour, NODE_HEIGHT, NODE_WIDTH } from '../model/layout';
import type { Direction, Layout, Step } from '../model/layout';
import { flowRoute, type Selection } from '../model/route';
import type { FlowModel } from '../model/store';
import { fit, reveal, zoomAt, type Margins, type Size, type Viewport } from '../model/viewport';
import { Icon } from '../parts/icon';
import { Edge } from './graph-edge';
import { Node } from './graph-node';
import { Navigation } from './graph-navigation';

/** As the operator chose it; null: whichever shows the flow larger. Kept while the page is open. */
const chosenDirection = signal<Direction | null>(null);

const PANEL = 420;
/** What stands above the graph, about. */
const ABOVE = 150;
/** The scale at which a card can be read on a phone. */
const NEAR = 0.75;
const STEPS: Record<string, Step> = { ArrowLeft: 'left', ArrowRight: 'right', ArrowUp: 'up', ArrowDown: 'down' };

/** What lies over the graph: a panel at the right, or on a narrow screen from below. */
function margins(size: Size, panel: boolean): Margins {
  const edge = size.width < 700 ? 12 : 28;
  const all = { left: edge, top: edge, right: edge, bottom: edge + 16 };
  if (!panel) return all;
  return size.width < 700 ? { ...all, bottom: size.height * 0.6 } : { ...all, right: PANEL + edge };
}

function shapeOf(flow: FlowModel) {
  const nodes = flow.processors.map(processor => processor.name);
  const edges = flow.connections.map(({ id, failure, info: { from, relationship, to } }) => ({
    id,
    from,
    to,
    failure,
    label: relationship === 'success' || failure ? 0 : relationship.length,
  }));
  return { nodes, edges };
}

export function Graph({ flow, selection }: { flow: FlowModel; selection: Selection | null }) {
  const stage = useRef<HTMLDivElement>(null);
  const layer = useRef<HTMLDivElement>(null);
  // At first as large as the window has room for: drawn at once, it is laid out by the browser once and not twice.
  const [size, setSize] = useState<Size>(() => ({ width: window.innerWidth, height: window.innerHeight - ABOVE }));
  const [hovered, setHovered] = useState<string | null>(null);
  const navigation = useMemo(() => new Navigation(), []);
  const direction = chosenDirection.value;

  // A new layout for a new shape of the window only where that changes which direction is better: it moves everything.
  const shape = size.width / size.height > 1.1 ? 'wide' : 'tall';
  const layout = useMemo<Layout>(() => {
    const { nodes, edges } = shapeOf(flow);
    return direction === null ? betterDirection(nodes, edges, size) : layoutGraph(nodes, edges, direction);
  }, [flow, direction, shape]);

  useLayoutEffect(() => {
    const element = stage.current;
    if (element === null) return;
    const measure = () => setSize({ width: element.clientWidth, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useLayoutEffect(() => {
    if (stage.current === null || layer.current === null) return;
    return navigation.attach(stage.current, layer.current);
  }, []);

  const whole = (): Viewport => fit(layout, size, margins(size, selection !== null && size.width >= 700));

  const laidOut = useRef<Layout | null>(null);
  useLayoutEffect(() => {
    const view = whole();
    const fresh = laidOut.current !== layout;
    laidOut.current = layout;
    if (fresh || navigation.untouched) navigation.show(view, { touched: false, smooth: false });
  }, [layout, size]);

  // What is chosen comes into sight.
  const chosen = selection?.kind === 'processor' ? selection.name : null;
  useEffect(() => {
    const at = chosen === null ? undefined : layout.nodes.get(chosen);
    if (at === undefined) return;
    const box = { ...at, width: NODE_WIDTH, height: NODE_HEIGHT };
    let view = navigation.view;
    // On a phone the whole flow is small: what is chosen comes nearer.
    if (size.width < 700 && view.scale < NEAR) {
      const x = (box.x + box.width / 2) * view.scale + view.left;
      const y = (box.y + box.height / 2) * view.scale + view.top;
      view = zoomAt(view, NEAR / view.scale, x, y);
    }
    view = reveal(view, box, size, margins(size, true));
    if (view !== navigation.view) navigation.show(view, { touched: true, smooth: true });
  }, [chosen, layout]);

  const turn = () => {
    chosenDirection.value = layout.direction === 'right' ? 'down' : 'right';
  };
  const showWhole = () => {
    navigation.show(whole(), { touched: false, smooth: true });
  };

  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target instanceof HTMLElement && event.target.matches('input, textarea, select, dialog *')) return;
      const step = STEPS[event.key];
      const inPanel = event.target instanceof HTMLElement && event.target.closest('.panel') !== null;
      if (event.key === 'Escape' && selection !== null) {
        navigate(flowRoute(flow.name));
        focusNode(stage.current, chosen);
      } else if (step !== undefined && !inPanel) {
        const from = chosen ?? focusedNode() ?? flow.processors[0]?.name ?? '';
        const to = chosen === null && focusedNode() === null ? from : neighbour(layout, from, step);
        if (to === null) return;
        if (chosen !== null) navigate(flowRoute(flow.name, { kind: 'processor', name: to }));
        focusNode(stage.current, to);
      } else if (event.key === '0') showWhole();
      else if (event.key === '+' || event.key === '=') navigation.zoomBy(1.25);
      else if (event.key === '-') navigation.zoomBy(0.8);
      else if (event.key === 'r') turn();
      else return;
      event.preventDefault();
    };
    document.addEventListener('keydown', key);
    return () => document.removeEventListener('keydown', key);
  });

  const first = chosen ?? flow.processors[0]?.name;
  const lit = hovered ?? chosen;
  const chosenEdge =
    selection?.kind === 'connection'
      ? [flow.name, selection.from, selection.relationship, selection.to].join('/')
      : null;
  return (
    <>
      <div class="canvas" ref={stage} role="region" aria-label={`Graph of ${flow.name}`}>
        <div class={`layer ${lit === null ? '' : 'lit'}`} ref={layer}>
          <svg class="edges" width={layout.width} height={layout.height} aria-hidden="true">
            {flow.connections.map(connection => {
              const shape = layout.edges.get(connection.id);
              const { from, to } = connection.info;
              return (
                shape !== undefined && (
                  <Edge
                    key={connection.id}
                    connection={connection}
                    shape={shape}
                    chosen={connection.id === chosenEdge}
                    lit={lit === from || lit === to}
                  />
                )
              );
            })}
          </svg>
          {flow.processors.map(processor => {
            const point = layout.nodes.get(processor.name);
            return (
              point !== undefined && (
                <Node
                  key={processor.name}
                  processor={processor}
                  x={point.x}
                  y={point.y}
                  chosen={processor.name === chosen}
                  reachable={processor.name === first}
                  onHover={setHovered}
                />
              )
            );
          })}
        </div>
      </div>
      <div class="zoom" role="group" aria-label="Zoom">
        <button class="tool" onClick={() => navigation.zoomBy(1.25)} title="Nearer (+)" aria-label="Nearer">
          <Icon name="plus" />
        </button>
        <button class="tool" onClick={() => navigation.zoomBy(0.8)} title="Farther (−)" aria-label="Farther">
          <Icon name="minus" />
        </button>
        <button class="tool" onClick={showWhole} title="The whole flow (0)" aria-label="The whole flow">
          <Icon name="fit" />
        </button>
        <button class="tool" onClick={turn} title="Rightwards or downwards (r)" aria-label="Turn the layout">
          <Icon name="turn" />
        </button>
      </div>
    </>
  );
}

function focusedNode(): string | null {
  const focused = document.activeElement;
  return focused instanceof HTMLElement ? (focused.dataset['processor'] ?? null) : null;
}

function focusNode(stage: HTMLElement | null, name: string | null): void {
  if (name === null) return;
  for (const node of stage?.querySelectorAll<HTMLElement>('[data-processor]') ?? []) {
    if (node.dataset['processor'] === name) node.focus({ preventScroll: true });
  }
}
