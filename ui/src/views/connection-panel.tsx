import { navigate, now, store } from '../app';
import { ago, bytes, count, duration, percent, rate } from '../model/format';
import { flowRoute, toProcessor } from '../model/route';
import type { ConnectionModel, FlowModel } from '../model/store';
import { Fact, Meter } from '../parts/facts';
import { Icon } from '../parts/icon';
import { ConnectionHistory } from './history';
import { Queue } from './queue';
import { Tap } from './tap';

export function ConnectionPanel({ flow, connection }: { flow: FlowModel; connection: ConnectionModel }) {
  connection.version.value;
  const state = connection.state.value;
  const { from, relationship, to } = connection.info;
  return (
    <aside class="panel" aria-label={`Connection ${from} to ${to}`}>
      <header class="panel-head">
        <div>
          <h2>
            <a href={toProcessor(flow.name, from)}>{from}</a> <Icon name="arrow" />{' '}
            <a href={toProcessor(flow.name, to)}>{to}</a>
          </h2>
          <p>
            Connection <span class={`rel ${relationship === 'failure' ? 'failure' : ''}`}>{relationship}</span>
          </p>
        </div>
        <button class="tool" onClick={() => navigate(flowRoute(flow.name))} title="Close (Esc)" aria-label="Close">
          <Icon name="close" />
        </button>
      </header>
      <div class="panel-body" tabIndex={0} role="region" aria-label="Details of the connection">
        {state.full && (
          <p class="callout bad">
            <Icon name="warning" />
            <span>{`The queue is full: ${from} waits until ${to} has taken some.`}</span>
          </p>
        )}
        <Numbers connection={connection} />
        {store.session.value !== null && (
          <>
            <Queue connection={connection} />
            <Tap connection={connection} />
          </>
        )}
        <ConnectionHistory connection={connection} />
      </div>
    </aside>
  );
}

function Numbers({ connection }: { connection: ConnectionModel }) {
  const state = connection.state.value;
  const { max_count, max_bytes } = connection.info;
  const incoming = connection.passed.rate();
  const outgoing = connection.taken.rate();
  return (
    <>
      <div class="fullness">
        <p>
          <span class="value">{percent(state.fullness)}</span> full
          <small>{outlook(connection)}</small>
        </p>
        <Meter share={state.fullness} label="Fullness" />
      </div>
      <dl class="facts">
        <Fact
          name="Queued"
          value={count(state.queued)}
          detail={max_count === 0 ? 'no limit' : `of ${count(max_count)}`}
          series={connection.queued}
        />
        <Fact
          name="Size"
          value={bytes(state.queued_bytes)}
          detail={max_bytes === 0 ? 'no limit' : `of ${bytes(max_bytes)}`}
        />
        <Fact name="Comes in" value={rate(incoming)} detail="FlowFiles" series={connection.passed.rates} />
        <Fact name="Is taken" value={rate(outgoing)} detail="FlowFiles" series={connection.taken.rates} />
        <Fact name="Oldest" value={state.oldest === null ? 'none' : ago(Date.parse(state.oldest), now.value)} />
        <Fact name="Passed" value={count(state.next)} detail="FlowFiles, ever" />
        {state.held > 0 && <Fact name="Held" value={count(state.held)} detail="by its consumer" />}
        {state.retry > 0 && (
          <Fact name="Retried" value={count(state.retry)} detail="wait for another try" tone="warn" />
        )}
      </dl>
    </>
  );
}

/** When it will be full or empty, if it goes on as now. */
function outlook(connection: ConnectionModel): string {
  const { queued, full, fullness } = connection.state.value;
  const { max_count } = connection.info;
  const grows = (connection.passed.rate(30) ?? 0) - (connection.taken.rate(30) ?? 0);
  // Of an almost empty queue a moment's rates say nothing.
  if (full || fullness < 0.05 || Math.abs(grows) < 0.05) return '';
  if (grows < 0) return `empty in ${duration(queued / -grows)}`;
  return max_count === 0 ? 'growing' : `full in ${duration((max_count - queued) / grows)}`;
}
