// What the API answers (docs/api.md), as far as this page reads it.

export interface Traffic {
  flowfiles: number;
  records: number;
  bytes: number;
}

export type Status = 'starting' | 'running' | 'stopping' | 'stopped' | 'misconfigured' | 'finished';

export interface OutTraffic extends Traffic {
  dropped?: boolean;
}

/** What changes of a processor while it runs. */
export interface ProcessorState {
  name: string;
  status: Status;
  ready: boolean;
  message: string;
  active: number;
  in: Traffic;
  out: Record<string, OutTraffic>;
  ended: Traffic;
  sessions: number;
  rolled_back: number;
  errors: number;
  busy_seconds: number;
  last_success: string | null;
  held: number;
  state_entries: number;
  stopped_by?: { who: string; time: string } | null;
}

export interface Processor extends ProcessorState {
  type: string;
  description: string;
  source: boolean;
}

export type Setting = string | Setting[] | { [name: string]: Setting };

export interface ProcessorDetail extends Processor {
  file: string;
  line: number;
  settings: Setting;
  labels: Record<string, string>;
  metrics: Record<string, number>;
}

/** What changes of a connection while it runs. */
export interface ConnectionState {
  id: string;
  queued: number;
  queued_bytes: number;
  held: number;
  retry: number;
  fullness: number;
  full: boolean;
  next: number;
  cursor: number;
  oldest: string | null;
}

export interface Connection extends ConnectionState {
  from: string;
  relationship: string;
  to: string;
  max_count: number;
  max_bytes: number;
}

export interface FlowSummary {
  name: string;
  description: string;
  file: string;
}

export interface Flow extends FlowSummary {
  processors: Processor[];
  connections: Connection[];
}

export interface Epochs {
  last: number;
  count: number;
  failed: number;
  seconds: number;
  longest_seconds: number;
}

export interface ServerStatus {
  weir: string;
  store: string;
  ready: boolean;
  problem: string;
  epochs: Epochs;
  connections_without_a_flow: { id: string; queued: number }[];
  started?: string;
  uptime_seconds?: number;
  role?: 'viewer' | 'operator';
}

export interface Bulletin {
  id: number;
  time: string;
  level: 'debug' | 'info' | 'warning' | 'error';
  flow: string;
  processor: string;
  message: string;
}

/** A server-sent event `snapshot` or `delta`: the whole, or what changed. */
export interface LiveUpdate {
  time: string;
  started: string;
  ready: boolean;
  problem: string;
  epochs: Epochs;
  last_bulletin: number;
  processors: (ProcessorState & { flow: string })[];
  connections: ConnectionState[];
}
