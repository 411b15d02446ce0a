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
  /** Of what was terminated: not come back yet. */
  threads_left?: number;
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

/** Bytes as text where they are UTF-8. */
export interface Bytes {
  text?: string;
  base64?: string;
  truncated?: boolean;
}

export interface QueuedFlowFile {
  sequence: number;
  flowfile: string;
  /** topic/partition, where several are asked together. */
  lane?: string;
  state: 'queued' | 'active' | 'held' | 'retry' | 'passed';
  size: number;
  records: number;
  born: string;
  age_seconds: number;
  attempts: number;
  due: string | null;
  attributes: Record<string, string>;
  attributes_truncated?: boolean;
  preview?: Bytes;
}

export interface StateListing {
  entries: { key: Bytes; value: Bytes; size: number }[];
  total: number;
  more: boolean;
  next_after: string | null;
}

/** Waits on a `failure` connection. */
export interface DeadLetter extends QueuedFlowFile {
  connection: string;
  /** It is known where it failed. */
  redrivable: boolean;
  error: Record<'kind' | 'processor' | 'message' | 'time' | 'connection', string | null>;
}

export interface DeadLetters {
  connections: { id: string; queued: number; held: number; consumer: string }[];
  flowfiles: DeadLetter[];
  more: boolean;
}

export interface AuditEntry {
  id: number;
  time: string;
  /** A token's name; empty: nobody who is known. */
  who: string;
  role: string;
  from: string;
  action: string;
  on: string;
  with?: Record<string, number | boolean>;
  outcome: 'done' | 'asked' | 'refused' | 'failed';
  status: number;
  why?: string;
  /** Lines of strangers before this one that were not kept. */
  passed_over?: number;
}

/** Of a flow that scales out, what this Weir has. */
export interface Lanes {
  scales_out: boolean;
  lanes: Lane[];
}

export interface Lane {
  /** topic/partition */
  lane: string;
  since: string | null;
  /** All before is done. */
  offset: number | null;
  /** The first that a window which is open needs. */
  needed_from: number | null;
  reads_again_from: number | null;
  ready: boolean;
  problem: string;
}

export interface QueueListing {
  connection: string;
  flowfiles: QueuedFlowFile[];
  more: boolean;
  next_after?: number | null;
}

/** FlowFiles of a connection that follow one another: the first one's sequence number, and how many. */
export type Interval = [first: number, count: number];

export interface ProvenanceEvent {
  type: string;
  processor: string;
  time: string;
  duration_seconds: number;
  bytes: number;
  in_connection: string | null;
  inputs: Interval | null;
  out_connection: string | null;
  outputs: Interval | null;
  transit_uri: string | null;
  details: string;
}

export interface EventList {
  events: ProvenanceEvent[];
  limited: boolean;
  removed_by_retention: boolean;
}

export type LineageNode =
  | { id: string; kind: 'flowfile'; connection: string; sequence: number }
  | (Omit<ProvenanceEvent, 'inputs' | 'outputs'> & {
      id: string;
      kind: 'event';
      depth: number;
      inputs: Interval[];
      outputs: Interval[];
      inputs_more?: boolean;
      outputs_more?: boolean;
    });

export interface LineageEdge {
  from: string;
  to: string;
  connection: string;
  flowfiles: Interval[];
  count: number;
}

export interface Lineage {
  flowfile: string;
  more: boolean;
  removed_by_retention: boolean;
  nodes: LineageNode[];
  edges: LineageEdge[];
}

export interface FlowFileDetail {
  flowfile: string;
  events_in: ProvenanceEvent[];
  events_out: ProvenanceEvent[];
  queued: boolean;
  content: {
    available: boolean;
    why?: string;
    where?: 'queue' | 'retained';
    size?: number;
    attributes?: Record<string, string>;
    preview?: Bytes;
  };
  replayable: boolean;
}

export interface Session {
  name: string;
  role: 'viewer' | 'operator';
}

/** A row a minute in which Weir ran. */
export interface History {
  times: string[];
  processors: Record<string, Record<'in_records' | 'out_records' | 'errors' | 'busy_seconds', number[]>>;
  connections: Record<string, Record<'queued' | 'queued_bytes' | 'fullness', number[]>>;
}

/** Verdicts of a QualityCheck on the records of a time. */
export interface QualityCounts {
  n: number;
  pass: number;
  suspect: number;
  fail: number;
  missing: number;
  not_evaluated: number;
  good: number | null;
  completeness: number | null;
}
export interface FlaggedRule {
  field: string;
  rule: string;
  flagged: number;
}
export interface QualityKey extends QualityCounts {
  flow: string;
  processor: string;
  key: string;
  last_value: string | null;
  last_judged: string | null;
  rules: FlaggedRule[];
  trend: (number | null)[];
}
export interface QualityProcessor extends QualityCounts {
  flow: string;
  processor: string;
  keys: number;
  untracked: number;
  rules: FlaggedRule[];
  trend: (number | null)[];
}
export interface QualityPage {
  processors: QualityProcessor[];
  keys: QualityKey[];
  total: number;
  next_after: number | null;
}
export interface QualityDetail extends QualityKey {
  expected_seconds: number | null;
  series: {
    interval_seconds: number;
    times: string[];
    pass: number[];
    suspect: number[];
    fail: number[];
    missing: number[];
  };
}

export interface Dataset {
  id: string;
  flow: string;
  processor: string;
  type: string;
  kind: string;
  name: string;
  location: string;
  description: string;
  owner: string;
  tags: string[];
  rows: number;
  bytes: number;
  last_write: string | null;
  quality: { good: number | null; n: number };
}
export interface DatasetField {
  name: string;
  type: string | null;
  format: string;
  unit: string;
  required: boolean;
  description: string;
  declared: boolean;
  sensitive: boolean;
  seen: { present: number | null; types: Record<string, number> };
}
export interface DatasetDetail extends Dataset {
  delivery: string;
  query: string | null;
  record: string | null;
  fields: DatasetField[];
  looked_at: number;
  origins: { processor: string; type: string; kind: string; name: string; location: string; description: string }[];
  steps: { from: string; relationship: string; to: string }[];
  held?: number;
  status?: string;
  sample?: Record<string, unknown>[];
  sampled?: string | null;
  quality: Dataset['quality'] & { checks: { processor: string; n: number }[] };
}

export interface FlowSource {
  flow: string;
  file: string;
  text: string;
  hash: string;
  processors: { name: string; line: number }[];
  writable: boolean;
  why_not: string;
}

export interface Problem {
  severity: 'error' | 'warning';
  line: number;
  column: number;
  length: number;
  message: string;
  expected: string;
  nearest: string;
}

export interface ChangedValue {
  what: string;
  before: string;
  after: string;
}

export type ChangeKind = 'added' | 'removed' | 'changed';

export interface Difference {
  flow: string;
  empty: boolean;
  summary: string;
  values: ChangedValue[];
  processors: { kind: ChangeKind; name: string; reach: 'text' | 'outputs' | 'restart'; values: ChangedValue[] }[];
  connections: { kind: ChangeKind; id: string; values: ChangedValue[] }[];
  restarts: string[];
}

export interface Checked {
  ok: boolean;
  problems: Problem[];
  difference: Difference | null;
  outcome?: 'applied' | 'unchanged' | 'dry_run' | 'rolled_back';
  hash?: string;
  writable?: boolean;
  why_not?: string;
}
