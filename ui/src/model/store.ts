// What the page knows of the running flows. Every processor and connection is a model with signals of its own, so that a
// second's update redraws what changed and no more.
import { signal, type Signal } from '@preact/signals';
import { Counter, Series } from './series';
import type {
  Bulletin,
  Connection,
  ConnectionState,
  Flow,
  LiveUpdate,
  Processor,
  ProcessorState,
  ServerStatus,
  Session,
  Traffic,
} from './types';

/** How far sparklines look back, in seconds. */
export const WINDOW = 120;
/** How long a warning or an error makes its processor look troubled, in ms. */
export const TROUBLED_FOR = 5 * 60_000;
const MOST_BULLETINS = 500;

export class ProcessorModel {
  readonly state: Signal<ProcessorState>;
  /** Grows with every change of what is shown; who reads rates subscribes to it. */
  readonly version = signal(0);
  readonly recordsIn = new Counter();
  readonly recordsOut = new Counter();
  readonly flowfilesIn = new Counter();
  readonly flowfilesOut = new Counter();
  readonly bytesIn = new Counter();
  readonly bytesOut = new Counter();
  readonly errors = new Counter();
  readonly busy = new Counter();
  /** Of each relationship, by name. */
  readonly out = new Map<string, Counter>();
  private moved = false;

  constructor(
    readonly flow: string,
    public info: Pick<Processor, 'type' | 'description' | 'source'>,
    state: ProcessorState,
  ) {
    this.state = signal(state);
  }

  get name(): string {
    return this.state.peek().name;
  }
  /** Nothing goes on from here but what failed. */
  get sink(): boolean {
    return Object.keys(this.state.peek().out).every(name => name === 'failure');
  }
  /** Records, unless only whole files pass that have none. */
  get countsRecords(): boolean {
    const state = this.state.peek();
    return state.in.records + total(state.out).records > 0 || state.in.flowfiles + total(state.out).flowfiles === 0;
  }
  get rateIn(): number | null {
    return (this.countsRecords ? this.recordsIn : this.flowfilesIn).rate();
  }
  get rateOut(): number | null {
    return (this.countsRecords ? this.recordsOut : this.flowfilesOut).rate();
  }

  sample(time: number): void {
    const state = this.state.peek();
    const out = total(state.out);
    this.recordsIn.push(time, state.in.records);
    this.recordsOut.push(time, out.records);
    this.flowfilesIn.push(time, state.in.flowfiles);
    this.flowfilesOut.push(time, out.flowfiles);
    this.bytesIn.push(time, state.in.bytes);
    this.bytesOut.push(time, out.bytes);
    this.errors.push(time, state.errors);
    this.busy.push(time, state.busy_seconds);
    for (const [name, traffic] of Object.entries(state.out)) {
      let counter = this.out.get(name);
      if (counter === undefined) this.out.set(name, (counter = new Counter()));
      counter.push(time, this.countsRecords ? traffic.records : traffic.flowfiles);
    }
    // An idle processor is drawn once more, with zeros, and then no more.
    const moves = this.busy.rate() !== 0 || this.flowfilesIn.rate() !== 0 || this.flowfilesOut.rate() !== 0;
    if (moves || this.moved || this.errors.rate() !== 0) this.version.value++;
    this.moved = moves;
  }
}

export class ConnectionModel {
  readonly state: Signal<ConnectionState>;
  readonly version = signal(0);
  readonly passed = new Counter();
  readonly taken = new Counter();
  readonly queued = new Series();
  readonly fullness = new Series();
  private drawn = '';

  constructor(
    readonly flow: string,
    public info: Pick<Connection, 'from' | 'relationship' | 'to' | 'max_count' | 'max_bytes'>,
    state: ConnectionState,
  ) {
    this.state = signal(state);
  }

  get id(): string {
    return this.state.peek().id;
  }
  get failure(): boolean {
    return this.info.relationship === 'failure';
  }

  sample(time: number): void {
    const state = this.state.peek();
    this.passed.push(time, state.next);
    this.taken.push(time, state.cursor);
    this.queued.push(time, state.queued);
    this.fullness.push(time, state.fullness);
    const drawn = `${state.queued} ${state.fullness} ${this.passed.rate()} ${this.taken.rate()}`;
    if (drawn !== this.drawn) this.version.value++;
    this.drawn = drawn;
  }
}

export interface FlowModel {
  name: string;
  description: string;
  file: string;
  processors: ProcessorModel[];
  connections: ConnectionModel[];
  byName: Map<string, ProcessorModel>;
}

/**
 * loading: nothing was heard yet. live: what is shown is the present. lost: it was, and the server does not answer.
 * failed: the server answers, and not with what this page can show. locked: it wants to know who asks.
 */
export type Phase = 'loading' | 'live' | 'lost' | 'failed' | 'locked';

export class Store {
  readonly phase = signal<Phase>('loading');
  readonly problem = signal('');
  /** When the server was last heard, in ms since 1970, by this machine's clock. */
  readonly heard = signal(0);
  readonly status = signal<ServerStatus | null>(null);
  /** Who is at this page; null: a server that knows neither users nor what came to the API with them. */
  readonly session = signal<Session | null>(null);
  /** Replaced when processors or connections come or go, else the same object. */
  readonly flows = signal<FlowModel[]>([]);
  readonly bulletins = signal<Bulletin[]>([]);
  /** Grows with every sample: for what is derived from all of a flow. */
  readonly tick = signal(0);
  private processors = new Map<string, ProcessorModel>();
  private connections = new Map<string, ConnectionModel>();

  flow(name: string | null): FlowModel | null {
    const flows = this.flows.value;
    return (name === null ? flows[0] : flows.find(flow => flow.name === name)) ?? null;
  }
  connection(id: string): ConnectionModel | undefined {
    return this.connections.get(id);
  }
  processor(flow: string, name: string): ProcessorModel | undefined {
    return this.processors.get(`${flow}/${name}`);
  }
  get lastBulletin(): number {
    return this.bulletins.peek().at(-1)?.id ?? 0;
  }

  /** The whole of all flows. Models that stay keep their history. */
  setFlows(flows: readonly Flow[]): void {
    const processors = new Map<string, ProcessorModel>();
    const connections = new Map<string, ConnectionModel>();
    const models = flows.map(flow => {
      const byName = new Map<string, ProcessorModel>();
      for (const processor of flow.processors) {
        const key = `${flow.name}/${processor.name}`;
        const model = this.processors.get(key) ?? new ProcessorModel(flow.name, processor, processor);
        model.info = processor;
        model.state.value = processor;
        processors.set(key, model);
        byName.set(processor.name, model);
      }
      for (const connection of flow.connections) {
        const model = this.connections.get(connection.id) ?? new ConnectionModel(flow.name, connection, connection);
        model.info = connection;
        model.state.value = connection;
        connections.set(connection.id, model);
      }
      return {
        name: flow.name,
        description: flow.description,
        file: flow.file,
        processors: [...byName.values()],
        connections: flow.connections.map(({ id }) => connections.get(id) as ConnectionModel),
        byName,
      };
    });
    const same = signature(models) === signature(this.flows.peek());
    this.processors = processors;
    this.connections = connections;
    if (!same) this.flows.value = models;
  }

  /** What the server pushed. False if it tells of what this page does not know: then read the flows again. */
  apply(update: LiveUpdate): boolean {
    let known = true;
    for (const state of update.processors) {
      const model = this.processors.get(`${state.flow}/${state.name}`);
      if (model === undefined) known = false;
      else model.state.value = state;
    }
    for (const state of update.connections) {
      const model = this.connections.get(state.id);
      if (model === undefined) known = false;
      else model.state.value = state;
    }
    const { ready, problem, epochs } = update;
    const status = this.status.peek();
    if (status !== null) this.status.value = { ...status, ready, problem, epochs };
    return known;
  }

  /** Writes the present state of everything into its history. `time` in ms. */
  sample(time: number): void {
    for (const model of this.processors.values()) model.sample(time);
    for (const model of this.connections.values()) model.sample(time);
    this.tick.value++;
  }

  addBulletins(bulletins: readonly Bulletin[]): void {
    const last = this.lastBulletin;
    const fresh = bulletins.filter(bulletin => bulletin.id > last);
    if (fresh.length > 0) this.bulletins.value = [...this.bulletins.peek(), ...fresh].slice(-MOST_BULLETINS);
  }

  /** Another process answers now: nothing of the old one's numbers holds. */
  forget(): void {
    this.processors.clear();
    this.connections.clear();
    this.flows.value = [];
    this.bulletins.value = [];
  }

  heardAt(time: number): void {
    this.heard.value = time;
    this.phase.value = 'live';
    this.problem.value = '';
  }
}

export function total(out: Record<string, Traffic>): Traffic {
  const sum = { flowfiles: 0, records: 0, bytes: 0 };
  for (const traffic of Object.values(out)) {
    sum.flowfiles += traffic.flowfiles;
    sum.records += traffic.records;
    sum.bytes += traffic.bytes;
  }
  return sum;
}

function signature(flows: readonly FlowModel[]): string {
  return JSON.stringify(
    flows.map(flow => [
      flow.name,
      flow.description,
      flow.processors.map(processor => [processor.name, processor.info.type]),
      flow.connections.map(connection => [connection.id, connection.info.max_count, connection.info.max_bytes]),
    ]),
  );
}
