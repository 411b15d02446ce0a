import { describe as about, expect, it } from 'vitest';
import { withGaps } from '../src/model/gaps';
import { escaped, hexDump } from '../src/model/hex';
import { describe, nameOf, parseName, sequences, size } from '../src/model/intervals';
import { collapse, layoutLineage, origins } from '../src/model/lineage';
import { formatRoute, parseRoute, toLineage, toProvenance } from '../src/model/route';
import type { Lineage, LineageNode } from '../src/model/types';

about('the name of a FlowFile', () => {
  it('is its connection and its sequence number, whatever the connection is called', () => {
    expect(parseName(nameOf('f/a:b/success/c', 17))).toEqual({ connection: 'f/a:b/success/c', sequence: 17 });
    expect(parseName('f/a/success/b')).toBeNull();
  });

  it('leads to its lineage and back', () => {
    const flowfile = 'f/a/success/b:17';
    expect(parseRoute(toLineage(flowfile))).toEqual({ view: 'lineage', flowfile });
    expect(formatRoute(parseRoute(toLineage(flowfile)))).toBe(toLineage(flowfile));
  });
});

it('a question to the provenance is in the address', () => {
  const route = parseRoute(toProvenance({ processor: 'f/a', value: 'x&y=?' }));
  if (route.view !== 'provenance') throw new Error(route.view);
  expect(Object.fromEntries(new URLSearchParams(route.search))).toEqual({ processor: 'f/a', value: 'x&y=?' });
});

about('runs of FlowFiles', () => {
  it('are said shortly and listed in order', () => {
    expect(describe([[17, 1]])).toBe('17');
    expect(describe([[17, 3], [25, 1]])).toBe('17–19, 25'); // prettier-ignore
    expect(describe([[1, 1], [3, 1], [5, 1], [7, 1]])).toBe('1, 3, 5, …'); // prettier-ignore
    expect(sequences([[17, 3], [25, 4]], 5)).toEqual([17, 18, 19, 25, 26]); // prettier-ignore
    expect(size([[17, 3], [25, 4]])).toBe(7); // prettier-ignore
  });
});

about('content that is no text', () => {
  it('is shown as what it is, 16 bytes a line', () => {
    const lines = hexDump(btoa('\x00<img>\xff' + 'x'.repeat(12))).split('\n');
    expect(lines[0]).toBe('000000  00 3c 69 6d 67 3e ff 78 78 78 78 78 78 78 78 78  .<img>.xxxxxxxxx');
    expect(lines[1]?.trimEnd()).toMatch(/^000010 {2}78 78 78 +xxx$/);
    expect(hexDump('')).toBe('');
    expect(escaped('a\x00<b>\xff\\')).toBe('a\\x00<b>\\xff\\\\');
  });
});

about('a lineage', () => {
  const event = (id: string, depth: number): LineageNode => ({
    id,
    kind: 'event',
    depth,
    type: 'ROUTE',
    processor: 'f/p',
    time: '2026-11-21T08:00:00.000Z',
    duration_seconds: 0,
    bytes: 0,
    transit_uri: null,
    details: '',
    in_connection: null,
    inputs: [],
    out_connection: null,
    outputs: [],
  });
  const lineage: Lineage = {
    flowfile: 'f/a/success/b:1',
    more: false,
    removed_by_retention: false,
    nodes: [
      { id: 'flowfile', kind: 'flowfile', connection: 'f/a/success/b', sequence: 1 },
      event('a1', -1),
      event('d1', 1),
    ],
    edges: [
      { from: 'a1', to: 'flowfile', connection: 'f/a/success/b', flowfiles: [[1, 1]], count: 1 },
      { from: 'flowfile', to: 'd1', connection: 'f/a/success/b', flowfiles: [[1, 1]], count: 1 },
    ],
  };

  it('goes from what was before, at the left, to what came after', () => {
    const { nodes } = layoutLineage(collapse(lineage));
    const x = Object.fromEntries(nodes.map(({ node, x }) => [node.id, x]));
    expect(x['a1']).toBeLessThan(x['flowfile'] ?? 0);
    expect(x['flowfile']).toBeLessThan(x['d1'] ?? 0);
  });
});

about('a mean of many readings', () => {
  const readings = 300;
  const base = {
    kind: 'event',
    time: '2026-11-21T08:00:00.000Z',
    duration_seconds: 0,
    bytes: 1,
    transit_uri: null,
    details: '',
  } as const;
  const nodes: LineageNode[] = [
    { id: 'flowfile', kind: 'flowfile', connection: 'f/mean/success/end', sequence: 1 },
    {
      ...base,
      id: 'join',
      depth: -1,
      type: 'JOIN',
      processor: 'f/mean',
      in_connection: 'f/in/success/mean',
      inputs: [[0, readings]],
      out_connection: 'f/mean/success/end',
      outputs: [[1, 1]],
    },
  ];
  const edges: Lineage['edges'] = [
    { from: 'join', to: 'flowfile', connection: 'f/mean/success/end', flowfiles: [[1, 1]], count: 1 },
  ];
  for (let i = 0; i < readings; ++i) {
    nodes.push({
      ...base,
      id: `r${i}`,
      depth: -2,
      type: 'RECEIVE',
      processor: 'f/in',
      in_connection: null,
      inputs: [],
      out_connection: 'f/in/success/mean',
      outputs: [[i, 1]],
    });
    edges.push({ from: `r${i}`, to: 'join', connection: 'f/in/success/mean', flowfiles: [[i, 1]], count: 1 });
  }

  it('is drawn as the steps it went through, not as each of their events', () => {
    const drawn = collapse({ nodes, edges });
    expect(
      drawn.nodes.map(node => (node.kind === 'event' ? [node.type, node.events, node.outputs] : node.kind)),
    ).toEqual(['flowfile', ['JOIN', 1, [[1, 1]]], ['RECEIVE', readings, [[0, readings]]]]);
    expect(drawn.edges.map(({ count }) => count)).toEqual([1, readings]);
  });

  it('names the readings in it', () => {
    expect([...origins({ nodes })]).toEqual([['f/in/success/mean', [[0, readings]]]]);
  });
});

it('a line has a gap where Weir did not run', () => {
  const line = { name: 'in', values: [1, 2, 3], tone: 'accent' as const };
  expect(withGaps([0, 60, 600], [line])).toEqual([
    [0, 60, 120, 600],
    [1, 2, null, 3],
  ]);
  expect(withGaps([], [line])).toEqual([[], []]);
});
