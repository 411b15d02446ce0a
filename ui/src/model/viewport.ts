// Which part of the graph is seen: a point (x, y) of the graph is at (x·scale + left, y·scale + top) of the window.

export interface Viewport {
  left: number;
  top: number;
  scale: number;
}
export interface Size {
  width: number;
  height: number;
}
export interface Margins {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export const SMALLEST = 0.08;
export const LARGEST = 2.5;

export function clampScale(scale: number): number {
  return Math.min(LARGEST, Math.max(SMALLEST, scale));
}

/** The whole graph, centred, and not enlarged beyond its natural size. In a tall window it is nearer to the top. */
export function fit(graph: Size, window: Size, margins: Margins): Viewport {
  const width = Math.max(50, window.width - margins.left - margins.right);
  const height = Math.max(50, window.height - margins.top - margins.bottom);
  const scale = clampScale(Math.min(1, width / Math.max(1, graph.width), height / Math.max(1, graph.height)));
  return {
    scale,
    left: margins.left + (width - graph.width * scale) / 2,
    top: margins.top + (height - graph.height * scale) * (window.height > window.width ? 0.12 : 0.5),
  };
}

/** `factor` times as large, with the window's point (x, y) staying where it is. */
export function zoomAt(view: Viewport, factor: number, x: number, y: number): Viewport {
  const scale = clampScale(view.scale * factor);
  const real = scale / view.scale;
  return { scale, left: x - (x - view.left) * real, top: y - (y - view.top) * real };
}

export function pan(view: Viewport, dx: number, dy: number): Viewport {
  return { ...view, left: view.left + dx, top: view.top + dy };
}

/** Moved as little as it takes to show the box; unchanged (the same object) if it is seen already. */
export function reveal(
  view: Viewport,
  box: { x: number; y: number; width: number; height: number },
  window: Size,
  margins: Margins,
): Viewport {
  const x = box.x * view.scale + view.left;
  const y = box.y * view.scale + view.top;
  const shift = (from: number, size: number, low: number, high: number): number => {
    if (size > high - low || from < low) return low - from;
    return from + size > high ? high - from - size : 0;
  };
  const dx = shift(x, box.width * view.scale, margins.left, window.width - margins.right);
  const dy = shift(y, box.height * view.scale, margins.top, window.height - margins.bottom);
  return dx === 0 && dy === 0 ? view : pan(view, dx, dy);
}
