// One flow: its numbers, what needs attention, the graph, and what is chosen in it.
import { now, route, store } from '../app';
import { concerns, summary } from '../model/attention';
import { bytes, count, duration, percent, plural, rate } from '../model/format';
import { formatRoute, toBulletins, toConnection, type Selection } from '../model/route';
import type { FlowModel } from '../model/store';
import { Icon } from '../parts/icon';
import { lazily } from '../parts/lazily';
import { Graph } from './graph';

const ProcessorPanel = lazily(async () => (await import('./panels')).ProcessorPanel);
const ConnectionPanel = lazily(async () => (await import('./panels')).ConnectionPanel);

export function FlowView({ name, selection }: { name: string | null; selection: Selection | null }) {
  const flow = store.flow(name);
  if (flow === null) return <NoFlow name={name} />;
  return (
    <div class="flow">
      <h1 class="hidden">{flow.name}</h1>
      <Strip flow={flow} />
      <Concerns flow={flow} />
      <div class="stage">
        {flow.processors.length === 0 ? (
          <div class="empty">
            <h2>This flow has no processors</h2>
            <p>
              Add some under <code>processors:</code> in <code>{flow.file}</code>.
            </p>
          </div>
        ) : (
          <Graph flow={flow} selection={selection} />
        )}
        {selection !== null && <Panel flow={flow} selection={selection} />}
      </div>
    </div>
  );
}

function Panel({ flow, selection }: { flow: FlowModel; selection: Selection }) {
  if (selection.kind === 'processor') {
    const processor = flow.byName.get(selection.name);
    if (processor !== undefined) return <ProcessorPanel key={processor.name} flow={flow} processor={processor} />;
  } else {
    const id = [flow.name, selection.from, selection.relationship, selection.to].join('/');
    const connection = store.connection(id);
    if (connection !== undefined) return <ConnectionPanel key={id} flow={flow} connection={connection} />;
  }
  return (
    <aside class="panel" aria-label="Details">
      <div class="empty">
        <h2>It is not in this flow</h2>
        <p>What this address names is not, or no more, part of {flow.name}.</p>
        <button class="button" onClick={() => (route.value = { view: 'flow', flow: flow.name, selection: null })}>
          Close
        </button>
      </div>
    </aside>
  );
}

function NoFlow({ name }: { name: string | null }) {
  const phase = store.phase.value;
  if (phase === 'loading' || (phase === 'lost' && store.flows.value.length === 0))
    return (
      <div class="flow" aria-busy="true">
        <div class="strip skeleton" />
        <div class="stage">
          <p class="empty quiet" role="status">
            {phase === 'loading' ? 'Reading the flow…' : 'Waiting for Weir…'}
          </p>
        </div>
      </div>
    );
  if (phase === 'failed') return <div class="stage" />;
  if (store.flows.value.length === 0)
    return (
      <div class="empty">
        <h1>No flow is running</h1>
        <p>
          Start Weir with one: <code>weir run flow.yaml</code>
        </p>
      </div>
    );
  return (
    <div class="empty">
      <h1>There is no flow “{name}”</h1>
      <p>These are running:</p>
      <ul class="plain">
        {store.flows.value.map(flow => (
          <li key={flow.name}>
            <a href={`#/flow/${encodeURIComponent(flow.name)}`}>{flow.name}</a>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Strip({ flow }: { flow: FlowModel }) {
  store.tick.value; // its numbers change with every sample
  const sums = summary(flow);
  const { fullest } = sums;
  const epochs = store.status.value?.epochs;
  const all = flow.processors.length;
  return (
    <dl class="strip" aria-label={`Numbers of ${flow.name}`}>
      <div>
        <dt>Comes in</dt>
        <dd>{rate(sums.in)}</dd>
      </div>
      <div>
        <dt>Reaches sinks</dt>
        <dd>{rate(sums.out)}</dd>
      </div>
      <div>
        <dt>Queued</dt>
        <dd>
          {count(sums.queued)} <small>{bytes(sums.queuedBytes)}</small>
        </dd>
      </div>
      <div class="wide">
        <dt>Fullest queue</dt>
        <dd>
          {fullest === null ? (
            percent(0)
          ) : (
            <a href={toConnection(flow.name, fullest.info)}>
              {percent(fullest.state.value.fullness)} <small>before {fullest.info.to}</small>
            </a>
          )}
        </dd>
      </div>
      <div>
        <dt>Running</dt>
        <dd class={sums.running < all ? 'warn' : ''}>
          {sums.running} <small>of {all}</small>
        </dd>
      </div>
      <div>
        <dt>Errors</dt>
        <dd class={sums.errors > 0 ? 'bad' : ''}>
          {count(sums.errors)} <small>since start</small>
        </dd>
      </div>
      {store.session.value !== null && <DeadLettersFact flow={flow} />}
      {store.session.value?.role === 'operator' && (
        <div>
          <dt>Its file</dt>
          <dd>
            <a href={formatRoute({ view: 'edit', flow: flow.name })}>Edit flow</a>
          </dd>
        </div>
      )}
      <div class="wide">
        <dt>Made durable in</dt>
        <dd>
          {epochs === undefined || epochs.count === 0 ? '–' : duration(epochs.seconds / epochs.count)}{' '}
          <small>on average</small>
        </dd>
      </div>
    </dl>
  );
}

/** What failed and waits: before a processor that is stopped, or does not reach its far side. */
function DeadLettersFact({ flow }: { flow: FlowModel }) {
  let waiting = 0;
  for (const { failure, info, state } of flow.connections) {
    const to = flow.byName.get(info.to)?.state.value;
    if (failure && (to?.status === 'stopped' || to?.message)) waiting += state.value.queued + state.value.held;
  }
  if (waiting === 0) return null;
  return (
    <div>
      <dt>Dead letters</dt>
      <dd class="warn">
        <a href={formatRoute({ view: 'dead-letters', flow: flow.name })}>{count(waiting)}</a> <small>wait</small>
      </dd>
    </div>
  );
}

const SHOWN = 3;

function Concerns({ flow }: { flow: FlowModel }) {
  store.tick.value;
  const list = concerns(flow, store.status.value, store.bulletins.value, now.value);
  if (store.phase.value === 'loading' || list.length === 0) return null;
  const more = list.length - SHOWN;
  return (
    <ul class="concerns" aria-label="Needs attention">
      {list.slice(0, SHOWN).map(({ severity, title, text, href }) => (
        <li key={title + text} class={severity}>
          <Icon name="warning" />
          {href === null ? <strong>{title}</strong> : <a href={href}>{title}</a>}
          <span title={text}>{text}</span>
        </li>
      ))}
      {more > 0 && (
        <li class="more">
          <a href={toBulletins(flow.name)}>{plural(more, 'other thing')} to look at</a>
        </li>
      )}
    </ul>
  );
}
