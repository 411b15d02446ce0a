// Where one is in the page, as the URL's hash: what is copied from the address bar leads back to the same place.

export type Selection =
  { kind: 'processor'; name: string } | { kind: 'connection'; from: string; relationship: string; to: string };

export type Route =
  | { view: 'flow'; flow: string | null; selection: Selection | null }
  | { view: 'edit'; flow: string }
  | { view: 'dead-letters'; flow: string }
  | { view: 'bulletins'; flow: string | null }
  | { view: 'audit' }
  | { view: 'provenance'; search: string }
  | { view: 'quality'; search: string }
  | { view: 'data' }
  | { view: 'dataset'; flow: string; processor: string }
  | { view: 'lineage'; flowfile: string }
  | { view: 'unknown'; hash: string };

export const HOME: Route = { view: 'flow', flow: null, selection: null };

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function parseRoute(hash: string): Route {
  const mark = hash.indexOf('?');
  const search = mark < 0 ? '' : hash.slice(mark + 1);
  const parts = (mark < 0 ? hash : hash.slice(0, mark))
    .replace(/^#\/?/, '')
    .split('/')
    .filter(part => part !== '')
    .map(decode);
  const [view, flow, kind, ...rest] = parts;
  if (view === undefined) return HOME;
  if (view === 'bulletins' && parts.length === 1) return { view, flow: new URLSearchParams(search).get('flow') };
  if (view === 'audit' && parts.length === 1) return { view };
  if (view === 'provenance' && parts.length === 1) return { view, search };
  if (view === 'quality' && parts.length === 1) return { view, search };
  if (view === 'data' && parts.length === 1) return { view };
  if (view === 'data' && flow !== undefined && kind !== undefined && rest.length === 0)
    return { view: 'dataset', flow, processor: kind };
  if (view === 'lineage' && flow !== undefined && parts.length === 2) return { view, flowfile: flow };
  if (view === 'flow') {
    if (flow === undefined) return HOME;
    if (kind === undefined) return { view, flow, selection: null };
    if ((kind === 'edit' || kind === 'dead-letters') && rest.length === 0) return { view: kind, flow };
    const [a, b, c] = rest;
    if (kind === 'processor' && a !== undefined && rest.length === 1)
      return { view, flow, selection: { kind, name: a } };
    if (kind === 'connection' && a !== undefined && b !== undefined && c !== undefined && rest.length === 3)
      return { view, flow, selection: { kind, from: a, relationship: b, to: c } };
  }
  return { view: 'unknown', hash };
}

export function formatRoute(route: Route): string {
  switch (route.view) {
    case 'bulletins':
      return '#/bulletins' + (route.flow === null ? '' : `?${new URLSearchParams({ flow: route.flow }).toString()}`);
    case 'audit':
      return '#/audit';
    case 'edit':
    case 'dead-letters':
      return `#/flow/${encodeURIComponent(route.flow)}/${route.view}`;
    case 'provenance':
      return '#/provenance' + (route.search === '' ? '' : `?${route.search}`);
    case 'quality':
      return '#/quality' + (route.search === '' ? '' : `?${route.search}`);
    case 'data':
      return '#/data';
    case 'dataset':
      return `#/data/${encodeURIComponent(route.flow)}/${encodeURIComponent(route.processor)}`;
    case 'lineage':
      return `#/lineage/${encodeURIComponent(route.flowfile)}`;
    case 'unknown':
      return route.hash;
    case 'flow': {
      if (route.flow === null) return '#/';
      const parts = ['flow', route.flow];
      const { selection } = route;
      if (selection?.kind === 'processor') parts.push('processor', selection.name);
      if (selection?.kind === 'connection')
        parts.push('connection', selection.from, selection.relationship, selection.to);
      return '#/' + parts.map(encodeURIComponent).join('/');
    }
  }
}

export function flowRoute(flow: string | null, selection: Selection | null = null): Route {
  return { view: 'flow', flow, selection };
}
export function toProcessor(flow: string, name: string): string {
  return formatRoute(flowRoute(flow, { kind: 'processor', name }));
}
export function toConnection(flow: string, connection: { from: string; relationship: string; to: string }): string {
  const { from, relationship, to } = connection;
  return formatRoute(flowRoute(flow, { kind: 'connection', from, relationship, to }));
}
export function toBulletins(flow: string | null): string {
  return formatRoute({ view: 'bulletins', flow });
}
export function toLineage(flowfile: string): string {
  return formatRoute({ view: 'lineage', flowfile });
}
export function toProvenance(question: Record<string, string>): string {
  return formatRoute({ view: 'provenance', search: new URLSearchParams(question).toString() });
}
export function toQuality(question: Record<string, string> = {}): string {
  return formatRoute({ view: 'quality', search: new URLSearchParams(question).toString() });
}
export function toDataset(flow: string, processor: string): string {
  return formatRoute({ view: 'dataset', flow, processor });
}
