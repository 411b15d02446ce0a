// Flows as the API would answer them.
import type { Bulletin, Connection, Flow, LiveUpdate, Processor, ServerStatus } from '../src/model/types';

export function processor(name: string, over: Partial<Processor> = {}): Processor {
  const none = { flowfiles: 0, records: 0, bytes: 0 };
  return {
    name,
    type: 'Filter',
    description: '',
    source: false,
    status: 'running',
    ready: true,
    message: '',
    active: 0,
    in: none,
    out: { success: none, failure: none },
    ended: none,
    sessions: 0,
    rolled_back: 0,
    errors: 0,
    busy_seconds: 0,
    last_success: null,
    held: 0,
    state_entries: 0,
    ...over,
  };
}

export function connection(from: string, to: string, over: Partial<Connection> = {}): Connection {
  const relationship = over.relationship ?? 'success';
  return {
    id: `flow/${from}/${relationship}/${to}`,
    from,
    relationship,
    to,
    queued: 0,
    queued_bytes: 0,
    held: 0,
    retry: 0,
    max_count: 1000,
    max_bytes: 0,
    fullness: (over.queued ?? 0) / 1000,
    full: (over.queued ?? 0) >= 1000,
    next: 0,
    cursor: 0,
    oldest: null,
    ...over,
  };
}

export function flow(processors: Processor[], connections: Connection[]): Flow {
  return { name: 'flow', description: '', file: 'flow.yaml', processors, connections };
}

export function bulletin(id: number, over: Partial<Bulletin> = {}): Bulletin {
  return {
    id,
    time: '2026-11-21T08:00:00.000Z',
    level: 'warning',
    flow: 'flow',
    processor: 'a',
    message: 'closed',
    ...over,
  };
}

const epochs = { last: 1, count: 1, failed: 0, seconds: 0.01, longest_seconds: 0.01 };

export function status(over: Partial<ServerStatus> = {}): ServerStatus {
  return { weir: '1', store: 's', ready: true, problem: '', epochs, connections_without_a_flow: [], ...over };
}

export function update(over: Partial<LiveUpdate> = {}): LiveUpdate {
  return {
    time: '2026-11-21T08:00:00.000Z',
    started: '2026-11-21T07:00:00.000Z',
    ready: true,
    problem: '',
    epochs,
    last_bulletin: 0,
    processors: [],
    connections: [],
    ...over,
  };
}
