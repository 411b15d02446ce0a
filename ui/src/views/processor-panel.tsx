import { navigate, now, store } from '../app';
import { path } from '../api/client';
import { ago, byteRate, bytes, count, duration, percent, plural, rate } from '../model/format';
import { flowRoute, toBulletins, toConnection, toProcessor, toProvenance } from '../model/route';
import { total, type ConnectionModel, type FlowModel, type ProcessorModel } from '../model/store';
import type { ProcessorDetail } from '../model/types';
import { Fact, Meter, Section } from '../parts/facts';
import { Icon } from '../parts/icon';
import { Settings } from '../parts/settings';
import { lookOf, StatusMark } from '../parts/status';
import { usePolled } from '../parts/use-polled';
import { BulletinItem } from './bulletins';
import { Controls } from './controls';
import { ProcessorHistory } from './history';
import { State } from './state';

const REFRESH = 3000;

export function ProcessorPanel({ flow, processor }: { flow: FlowModel; processor: ProcessorModel }) {
  processor.version.value;
  const state = processor.state.value;
  const { type, description, source } = processor.info;
  const detail = usePolled<ProcessorDetail>(path('flows', flow.name, 'processors', state.name), REFRESH);
  const look = lookOf(state);
  return (
    <aside class="panel" aria-label={`Processor ${state.name}`}>
      <header class="panel-head">
        <div>
          <h2>{state.name}</h2>
          <p>
            {type}{' '}
            <span class={`chip ${look.tone}`}>
              <StatusMark state={state} />
              {look.text}
            </span>
          </p>
        </div>
        <button class="tool" onClick={() => navigate(flowRoute(flow.name))} title="Close (Esc)" aria-label="Close">
          <Icon name="close" />
        </button>
      </header>
      <div class="panel-body" tabIndex={0} role="region" aria-label={`Details of ${state.name}`}>
        <Controls processor={processor} />
        {!state.ready && state.message !== '' && (
          <p class="callout bad">
            <Icon name="warning" />
            <span>{state.message}</span>
          </p>
        )}
        {description !== '' && <p class="about">{description}</p>}
        <Numbers processor={processor} source={source} />
        <Queues
          title="From"
          flow={flow}
          connections={flow.connections.filter(c => c.info.to === state.name)}
          side="from"
        />
        <Relationships flow={flow} processor={processor} />
        <Trouble flow={flow.name} name={state.name} />
        <ProcessorHistory processor={processor} />
        {store.session.value !== null && (
          <p>
            <a href={toProvenance({ processor: `${flow.name}/${state.name}` })}>What it did: its provenance</a>
          </p>
        )}
        <Section title="Settings" aside={detail.data === null ? undefined : fileOf(detail.data)}>
          {detail.data !== null ? (
            <Settings settings={detail.data.settings} />
          ) : detail.error !== '' ? (
            <p class="quiet">{detail.error}</p>
          ) : (
            <p class="quiet">Reading…</p>
          )}
        </Section>
        {store.session.value !== null && <State processor={processor} />}
        {detail.data !== null && <OwnMetrics metrics={detail.data.metrics} />}
        {detail.data !== null && Object.keys(detail.data.labels).length > 0 && (
          <Section title="Labels">
            <Settings settings={detail.data.labels} />
          </Section>
        )}
      </div>
    </aside>
  );
}

function fileOf(detail: ProcessorDetail) {
  const name = detail.file.split('/').at(-1) ?? '';
  return <span title={detail.file}>{`${name}, line ${detail.line}`}</span>;
}

function Numbers({ processor, source }: { processor: ProcessorModel; source: boolean }) {
  const state = processor.state.value;
  const records = processor.countsRecords;
  const unit = records ? 'records' : 'FlowFiles';
  const out = total(state.out);
  const busy = processor.busy.rate();
  const failing = processor.errors.grown(120) > 0;
  return (
    <dl class="facts">
      {!source && (
        <Fact
          name={`In, ${unit}`}
          value={rate(processor.rateIn)}
          detail={byteRate(processor.bytesIn.rate())}
          series={(records ? processor.recordsIn : processor.flowfilesIn).rates}
        />
      )}
      {!(processor.sink && !source) && (
        <Fact
          name={`Out, ${unit}`}
          value={rate(processor.rateOut)}
          detail={byteRate(processor.bytesOut.rate())}
          series={(records ? processor.recordsOut : processor.flowfilesOut).rates}
        />
      )}
      <Fact name="Busy" value={percent(busy)} detail="of one core" series={processor.busy.rates} most={1} />
      <Fact
        name="Errors"
        value={count(state.errors)}
        detail={failing ? rate(processor.errors.rate()) : 'since start'}
        series={processor.errors.rates}
        tone={failing ? 'bad' : ''}
      />
      {!source && <Fact name="In, since start" value={amount(state.in, records)} detail={bytes(state.in.bytes)} />}
      {!(processor.sink && !source) && (
        <Fact name="Out, since start" value={amount(out, records)} detail={bytes(out.bytes)} />
      )}
      <Fact
        name="Last success"
        value={state.last_success === null ? 'never' : ago(Date.parse(state.last_success), now.value)}
      />
      <Fact
        name="Sessions"
        value={count(state.sessions)}
        detail={plural(state.rolled_back, 'rolled back', 'rolled back')}
      />
      {state.held > 0 && <Fact name="Held" value={count(state.held)} detail="FlowFiles" />}
      {state.state_entries > 0 && (
        <Fact
          name="State"
          value={count(state.state_entries)}
          detail={state.state_entries === 1 ? 'entry' : 'entries'}
        />
      )}
      {state.sessions > 0 && (
        <Fact name="A session takes" value={duration(state.busy_seconds / state.sessions)} detail="on average" />
      )}
    </dl>
  );
}

function amount(traffic: { flowfiles: number; records: number }, records: boolean): string {
  return count(records ? traffic.records : traffic.flowfiles);
}

function Queues(props: { title: string; flow: FlowModel; connections: ConnectionModel[]; side: 'from' | 'to' }) {
  if (props.connections.length === 0) return null;
  return (
    <Section title={props.title}>
      <ul class="queues">
        {props.connections.map(connection => (
          <QueueRow key={connection.id} flow={props.flow} connection={connection} side={props.side} />
        ))}
      </ul>
    </Section>
  );
}

/** A connection in a list: the processor at its other end, and its queue. */
export function QueueRow(props: { flow: FlowModel; connection: ConnectionModel; side: 'from' | 'to' }) {
  const { connection, flow, side } = props;
  connection.version.value;
  const state = connection.state.value;
  const other = connection.info[side];
  return (
    <li>
      <a class="other" href={toProcessor(flow.name, other)}>
        {other}
      </a>
      <a class="queue" href={toConnection(flow.name, connection.info)}>
        <Meter share={state.fullness} label={`Queue ${connection.info.from} to ${connection.info.to}`} />
        <span>{`${count(state.queued)} queued`}</span>
      </a>
      {side === 'from' && connection.info.relationship !== 'success' && <small>{connection.info.relationship}</small>}
    </li>
  );
}

function Relationships({ flow, processor }: { flow: FlowModel; processor: ProcessorModel }) {
  const state = processor.state.value;
  const names = Object.keys(state.out);
  if (names.length === 0) return null;
  return (
    <Section title="To">
      {names.map(name => {
        const connections = flow.connections.filter(
          ({ info }) => info.from === state.name && info.relationship === name,
        );
        const traffic = state.out[name];
        return (
          <div class="relationship" key={name}>
            <p>
              <span class={`rel ${name === 'failure' ? 'failure' : ''}`}>{name}</span>
              <span class="number">{rate(processor.out.get(name)?.rate() ?? null)}</span>
              <small>{traffic === undefined ? '' : `${amount(traffic, processor.countsRecords)} since start`}</small>
            </p>
            {connections.length > 0 ? (
              <ul class="queues">
                {connections.map(connection => (
                  <QueueRow key={connection.id} flow={flow} connection={connection} side="to" />
                ))}
              </ul>
            ) : (
              <p class="quiet">ends here</p>
            )}
          </div>
        );
      })}
    </Section>
  );
}

const MOST = 5;

function Trouble({ flow, name }: { flow: string; name: string }) {
  const list = store.bulletins.value.filter(bulletin => bulletin.flow === flow && bulletin.processor === name);
  if (list.length === 0) return null;
  return (
    <Section
      title="Bulletins"
      aside={list.length > MOST ? <a href={toBulletins(flow)}>all {list.length}</a> : undefined}
    >
      <ol class="bulletins">
        {list
          .slice(-MOST)
          .reverse()
          .map(bulletin => (
            <BulletinItem key={bulletin.id} bulletin={bulletin} />
          ))}
      </ol>
    </Section>
  );
}

function OwnMetrics({ metrics }: { metrics: Record<string, number> }) {
  const names = Object.keys(metrics);
  if (names.length === 0) return null;
  return (
    <Section title="Its own numbers">
      <dl class="pairs">
        {names.map(name => (
          <div key={name}>
            <dt>{name.replaceAll('_', ' ')}</dt>
            <dd class="number">{measure(name, metrics[name] ?? NaN)}</dd>
          </div>
        ))}
      </dl>
    </Section>
  );
}

/** By what Prometheus' naming says of the unit. */
function measure(name: string, value: number): string {
  if (/_seconds(_total)?$/.test(name)) return duration(value);
  if (/_bytes(_total)?$/.test(name)) return bytes(value);
  return Number.isInteger(value) ? count(value) : value.toPrecision(4);
}
