// What an operator should look at first, worst first: derived from the flow's state, so that it goes when its cause does.
import { count, plural } from './format';
import { toConnection, toProcessor } from './route';
import { TROUBLED_FOR, type ConnectionModel, type FlowModel } from './store';
import type { Bulletin, ServerStatus } from './types';

export interface Concern {
  severity: 'error' | 'warning';
  title: string;
  text: string;
  /** Where it is seen, as a link; null: in no one place. */
  href: string | null;
}

/** Almost full: nothing waits yet, and soon something may. */
const NEARLY_FULL = 0.8;

export function concerns(
  flow: FlowModel,
  status: ServerStatus | null,
  bulletins: readonly Bulletin[],
  now: number,
): Concern[] {
  const list: Concern[] = [];
  const told = new Set<string>();
  for (const processor of flow.processors) {
    const state = processor.state.value;
    const href = toProcessor(flow.name, state.name);
    if (state.status === 'misconfigured' || !state.ready) {
      told.add(state.name);
      const title = state.status === 'misconfigured' ? `${state.name} cannot work` : `${state.name} is not ready`;
      list.push({ severity: 'error', title, text: state.message || 'No reason was given.', href });
    } else if (state.status === 'stopped') {
      told.add(state.name);
      const waiting = queuedAt(flow, state.name);
      const full = flow.connections.some(({ info, state }) => info.to === processor.name && state.value.full);
      if (waiting > 0) {
        const text =
          `${plural(waiting, 'FlowFile')} ${waiting === 1 ? 'waits' : 'wait'} for it` +
          (full ? ', and what comes before it waits, too.' : '.');
        list.push({ severity: full ? 'error' : 'warning', title: `${state.name} is stopped`, text, href });
      }
    }
  }
  for (const connection of flow.connections) {
    const state = connection.state.value;
    if (!state.full && state.fullness < NEARLY_FULL) continue;
    const { from, to } = connection.info;
    if (told.has(to)) continue; // and why is said already
    // Where several queues in a row are full, the last of them shows who is slow.
    if (state.full && outgoing(flow, to).some(next => next.state.value.full)) continue;
    list.push({
      severity: state.full ? 'error' : 'warning',
      title: state.full ? `Stuck before ${to}` : `${to} falls behind`,
      text: state.full
        ? `Its queue from ${from} is full (${plural(state.queued, 'FlowFile')}); what comes before it waits.`
        : `Its queue from ${from} is almost full (${plural(state.queued, 'FlowFile')}).`,
      href: toConnection(flow.name, connection.info),
    });
  }
  for (const [name, bulletin] of latestTrouble(flow.name, bulletins, now)) {
    if (told.has(name)) continue;
    const severity = bulletin.level === 'error' ? 'error' : 'warning';
    const href = flow.byName.has(name) ? toProcessor(flow.name, name) : '#/bulletins';
    list.push({ severity, title: name === '' ? 'Weir' : name, text: bulletin.message, href });
  }
  if (status !== null && !status.ready && status.problem !== '' && told.size === 0)
    list.push({ severity: 'error', title: 'Weir is not ready', text: status.problem, href: null });
  if (status !== null && status.epochs.failed > 0)
    list.push({
      severity: 'error',
      title: 'Epochs failed',
      text: `${count(status.epochs.failed)} could not be made durable since the start.`,
      href: '#/bulletins',
    });
  const weight = { error: 0, warning: 1 };
  return list.sort((a, b) => weight[a.severity] - weight[b.severity]);
}

/** The latest warning or error of each processor of the flow, if it is not long ago. */
export function latestTrouble(flow: string, bulletins: readonly Bulletin[], now: number): Map<string, Bulletin> {
  const latest = new Map<string, Bulletin>();
  for (let i = bulletins.length - 1; i >= 0; --i) {
    const bulletin = bulletins[i] as Bulletin;
    if (now - Date.parse(bulletin.time) > TROUBLED_FOR) break;
    if (bulletin.level !== 'warning' && bulletin.level !== 'error') continue;
    if (bulletin.flow !== flow && bulletin.flow !== '') continue;
    if (!latest.has(bulletin.processor)) latest.set(bulletin.processor, bulletin);
  }
  return latest;
}

function outgoing(flow: FlowModel, name: string): ConnectionModel[] {
  return flow.connections.filter(connection => connection.info.from === name);
}

function queuedAt(flow: FlowModel, name: string): number {
  let sum = 0;
  for (const connection of flow.connections) {
    if (connection.info.to === name) sum += connection.state.value.queued;
  }
  return sum;
}

export interface Summary {
  /** Records a second that the sources bring, and that the sinks take. */
  in: number | null;
  out: number | null;
  queued: number;
  queuedBytes: number;
  fullest: ConnectionModel | null;
  errors: number;
  running: number;
}

export function summary(flow: FlowModel): Summary {
  const add = (a: number | null, b: number | null) => (a === null ? b : b === null ? a : a + b);
  const result: Summary = { in: null, out: null, queued: 0, queuedBytes: 0, fullest: null, errors: 0, running: 0 };
  for (const processor of flow.processors) {
    const state = processor.state.value;
    if (processor.info.source) result.in = add(result.in, processor.rateOut);
    if (processor.sink && !processor.info.source) result.out = add(result.out, processor.rateIn);
    result.errors += state.errors;
    if (state.status === 'running') ++result.running;
  }
  for (const connection of flow.connections) {
    const state = connection.state.value;
    result.queued += state.queued;
    result.queuedBytes += state.queued_bytes;
    if (state.fullness > (result.fullest?.state.value.fullness ?? 0)) result.fullest = connection;
  }
  return result;
}
