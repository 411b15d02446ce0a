import { describe, expect, it } from 'vitest';
import {
  betterDirection,
  extent,
  layoutGraph,
  neighbour,
  NODE_HEIGHT,
  NODE_WIDTH,
  type LayoutEdge,
} from '../src/model/layout';

function edges(...pairs: string[]): LayoutEdge[] {
  return pairs.map(pair => {
    const [from = '', to = '', failure] = pair.split(' ');
    return { id: pair, from, to, failure: failure === 'failure' };
  });
}

function overlaps(layout: ReturnType<typeof layoutGraph>): string[] {
  const found: string[] = [];
  const all = [...layout.nodes];
  for (const [a, p] of all)
    for (const [b, q] of all)
      if (a < b && Math.abs(p.x - q.x) < NODE_WIDTH && Math.abs(p.y - q.y) < NODE_HEIGHT) found.push(`${a} ${b}`);
  return found;
}

describe('the layout', () => {
  it('goes the way the data goes', () => {
    const right = layoutGraph(['a', 'b', 'c'], edges('a b', 'b c'), 'right');
    expect(['a', 'b', 'c'].map(id => right.nodes.get(id)?.x)).toEqual(
      [...['a', 'b', 'c'].map(id => right.nodes.get(id)?.x ?? 0)].sort((p, q) => p - q),
    );
    const down = layoutGraph(['a', 'b'], edges('a b'), 'down');
    expect(down.nodes.get('b')?.y ?? 0).toBeGreaterThan(down.nodes.get('a')?.y ?? 0);
  });

  it('draws every connection: several between two processors, loops, and those of failures', () => {
    const all = edges('a b', 'b a', 'a c', 'a a', 'b z failure', 'c z failure', 'a z failure', 'z y', 'c z');
    all.push({ id: 'a b again', from: 'a', to: 'b', failure: false });
    const layout = layoutGraph(['a', 'b', 'c', 'z', 'y'], all, 'right');
    for (const { id } of all) expect(layout.edges.get(id)?.path, id).toMatch(/^M[-\d.]+,[-\d.]+C/);
    for (const { path } of layout.edges.values()) expect(path).not.toContain('NaN');
    expect(new Set([...layout.edges.values()].map(({ path }) => path)).size).toBe(all.length); // none hides another
  });

  it('leaves room between all processors, also between those that nothing connects', () => {
    const nodes = Array.from({ length: 40 }, (_, i) => `n${i}`);
    const some = edges(...nodes.slice(1, 30).map((node, i) => `n${Math.floor(i / 3)} ${node}`));
    expect(overlaps(layoutGraph(nodes, some, 'right'))).toEqual([]);
    expect(overlaps(layoutGraph(nodes, some, 'down'))).toEqual([]);
  });

  it('is not pulled together by failures that all end at one place', () => {
    const chain = edges('a b', 'b c', 'c d', 'd e', 'e dead');
    const without = layoutGraph(['a', 'b', 'c', 'd', 'e', 'dead'], chain, 'right');
    const failures = edges('a dead failure', 'b dead failure', 'c dead failure', 'd dead failure');
    const withThem = layoutGraph(['a', 'b', 'c', 'd', 'e', 'dead'], [...chain, ...failures], 'right');
    expect([...withThem.nodes]).toEqual([...without.nodes]);
  });

  it('turns to where it is seen larger', () => {
    const nodes = ['a', 'b', 'c', 'd', 'e'];
    const chain = edges('a b', 'b c', 'c d', 'd e');
    expect(betterDirection(nodes, chain, { width: 1600, height: 400 }).direction).toBe('right');
    expect(betterDirection(nodes, chain, { width: 400, height: 900 }).direction).toBe('down');
  });

  it('is estimated well enough that a direction which is not tried would not have been much larger', () => {
    let seed = 1;
    const random = (below: number) => (seed = (seed * 48271) % 2147483647) % below;
    for (let graph = 0; graph < 15; ++graph) {
      const nodes = Array.from({ length: 2 + random(24) }, (_, i) => `n${i}`);
      const some = nodes.slice(1).flatMap((node, i) => {
        const from = `n${Math.max(0, i - random(graph % 2 === 0 ? 3 : 12))}`;
        return edges(`${from} ${node}`, ...(random(4) === 0 ? [`n${random(i + 1)} ${node} x`] : []));
      });
      for (const window of [
        { width: 1440, height: 740 },
        { width: 390, height: 640 },
      ]) {
        const scale = (layout: { width: number; height: number }) =>
          Math.min(1, window.width / layout.width, window.height / layout.height);
        const best = Math.max(...(['right', 'down'] as const).map(way => scale(layoutGraph(nodes, some, way))));
        expect(scale(betterDirection(nodes, some, window)) / best).toBeGreaterThan(0.85);
      }
    }
  });

  it('knows how long and how wide a graph is, loops and failures aside', () => {
    expect(extent(['a', 'b', 'c'], edges('a b', 'b c', 'c a'))).toEqual({ ranks: 3, widest: 1 });
    expect(extent(['a', 'b', 'c', 'd'], edges('a b', 'a c', 'b d', 'c d', 'a d failure'))).toEqual({
      ranks: 3,
      widest: 2,
    });
    expect(extent([], [])).toEqual({ ranks: 1, widest: 1 });
  });

  it('takes less than a second for 200 processors', () => {
    const nodes = Array.from({ length: 200 }, (_, i) => `n${i}`);
    const many = nodes.slice(1).flatMap((node, i) => edges(`n${Math.floor(i / 2)} ${node}`, `${node} n199 failure`));
    const start = performance.now();
    const layout = betterDirection(nodes, many, { width: 1400, height: 800 });
    expect(layout.nodes.size).toBe(200);
    expect(performance.now() - start).toBeLessThan(5000); // on a busy machine; it is about 150 ms on an idle one
  });
});

describe('the arrow keys', () => {
  const layout = layoutGraph(['a', 'b', 'c'], edges('a b', 'a c'), 'right');
  it('lead to what is nearest in that direction, and stop at the edge', () => {
    expect(['b', 'c']).toContain(neighbour(layout, 'a', 'right'));
    expect(neighbour(layout, 'b', 'left')).toBe('a');
    expect(neighbour(layout, 'a', 'left')).toBeNull();
    const [upper, lower] = (layout.nodes.get('b')?.y ?? 0) < (layout.nodes.get('c')?.y ?? 0) ? ['b', 'c'] : ['c', 'b'];
    expect(neighbour(layout, upper, 'down')).toBe(lower);
  });
});
