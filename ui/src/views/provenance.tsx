// What happened to which data: a search over the recorded events, newest first.
import { useState } from 'preact/hooks';
import { navigate, now, store } from '../app';
import { bytes, clock, count, fromLocal, toLocal } from '../model/format';
import { describe, nameOf } from '../model/intervals';
import { partsOf } from '../model/names';
import { toLineage } from '../model/route';
import type { EventList, Interval, ProvenanceEvent } from '../model/types';
import { usePolled } from '../parts/use-polled';

const TYPES = [
  'RECEIVE',
  'FETCH',
  'CREATE',
  'SEND',
  'FORK',
  'JOIN',
  'CLONE',
  'ROUTE',
  'CONTENT_MODIFIED',
  'ATTRIBUTES_MODIFIED',
  'DROP',
  'EXPIRE',
  'REPLAY',
];
const LIMIT = 100;

/** The questions that the address may hold, and what they are called here. */
const FIELDS = ['processor', 'type', 'attribute', 'value', 'transit', 'connection', 'from', 'to'] as const;

export function ProvenanceView({ search }: { search: string }) {
  const asked = new URLSearchParams(search);
  const question = new URLSearchParams();
  for (const field of FIELDS) {
    const value = asked.get(field);
    if (value) question.set(field, value);
  }
  question.set('limit', String(LIMIT));
  const answer = usePolled<EventList>(`/provenance/events?${question.toString()}`, 0);
  return (
    <section class="page">
      <header class="page-head">
        <h1>Provenance</h1>
        <button class="button" onClick={answer.again}>
          Search again
        </button>
      </header>
      <Question key={search} asked={asked} />
      <Answer answer={answer.data} error={answer.error} narrow={search !== ''} />
    </section>
  );
}

function Question({ asked }: { asked: URLSearchParams }) {
  const [fields, setFields] = useState<Record<string, string>>(
    Object.fromEntries(FIELDS.map(field => [field, asked.get(field) ?? ''])),
  );
  const set = (field: string) => (event: { currentTarget: { value: string } }) =>
    setFields({ ...fields, [field]: event.currentTarget.value });
  const setTime = (field: string) => (event: { currentTarget: { value: string } }) =>
    setFields({ ...fields, [field]: fromLocal(event.currentTarget.value) });
  const submit = (event: Event) => {
    event.preventDefault();
    const question = new URLSearchParams();
    for (const [field, value] of Object.entries(fields)) if (value.trim() !== '') question.set(field, value.trim());
    navigate({ view: 'provenance', search: question.toString() });
  };
  const processors = store.flows.value.flatMap(flow =>
    flow.processors.map(processor => `${flow.name}/${processor.name}`),
  );
  return (
    <form class="question" onSubmit={submit}>
      <label>
        Processor
        <select value={fields['processor'] ?? ''} onChange={set('processor')}>
          <option value="">any</option>
          {processors.map(name => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <label>
        Event
        <select value={fields['type'] ?? ''} onChange={set('type')}>
          <option value="">any</option>
          {TYPES.map(type => (
            <option key={type}>{type}</option>
          ))}
        </select>
      </label>
      <label>
        Attribute
        <input value={fields['attribute'] ?? ''} onInput={set('attribute')} placeholder="mqtt.topic" />
      </label>
      <label>
        has the value
        <input value={fields['value'] ?? ''} onInput={set('value')} />
      </label>
      <label>
        From or to where
        <input value={fields['transit'] ?? ''} onInput={set('transit')} placeholder="part of an address" />
      </label>
      <label>
        Since
        <input type="datetime-local" step="1" value={toLocal(fields['from'])} onInput={setTime('from')} />
      </label>
      <label>
        Until
        <input type="datetime-local" step="1" value={toLocal(fields['to'])} onInput={setTime('to')} />
      </label>
      <button class="button primary">Search</button>
    </form>
  );
}

function Answer({ answer, error, narrow }: { answer: EventList | null; error: string; narrow: boolean }) {
  if (error !== '') return <p class="callout bad">{error}</p>;
  if (answer === null)
    return (
      <p class="quiet" role="status">
        Searching…
      </p>
    );
  if (answer.events.length === 0)
    return (
      <div class="empty">
        <h2>{narrow ? 'Nothing like this was recorded' : 'Nothing was recorded yet'}</h2>
        <p>
          {answer.removed_by_retention
            ? 'Older events are gone: a flow keeps them as long as its provenance settings say.'
            : 'What a source brings stands here as soon as it is durable, and what becomes of it.'}
        </p>
      </div>
    );
  return (
    <>
      <EventTable events={answer.events} />
      {answer.limited && <p class="quiet after">{`The newest ${LIMIT}; ask for less to see farther back.`}</p>}
      {answer.removed_by_retention && <p class="quiet after">Older ones are gone: provenance is kept for a time.</p>}
    </>
  );
}

export function EventTable({ events }: { events: readonly ProvenanceEvent[] }) {
  const several = store.flows.value.length > 1;
  return (
    <div class="table stacks" tabIndex={0} role="region" aria-label="Events">
      <table>
        <thead>
          <tr>
            <th>Time</th>
            <th>Event</th>
            <th>Processor</th>
            <th>FlowFiles in</th>
            <th>FlowFiles out</th>
            <th class="right">Size</th>
            <th>Where, and what</th>
          </tr>
        </thead>
        <tbody>
          {events.map((event, index) => (
            <tr key={index}>
              <td>
                <time dateTime={event.time}>{clock(event.time, now.value)}</time>
              </td>
              <td>
                <span class={`event ${event.type.toLowerCase()}`}>{event.type}</span>
              </td>
              <td title={event.processor}>{several ? event.processor : withLane(event.processor)}</td>
              <td data-label="FlowFiles in">
                <FlowFiles side="from" connection={event.in_connection} interval={event.inputs} />
              </td>
              <td data-label="FlowFiles out">
                <FlowFiles side="to" connection={event.out_connection} interval={event.outputs} />
              </td>
              <td class="right" data-label="Size">
                {bytes(event.bytes)}
              </td>
              <td class="where whole">
                {event.transit_uri} {event.details !== '' && <small>{event.details}</small>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function withLane(processor: string) {
  const { lane, parts } = partsOf(processor);
  return (
    <>
      {parts.join('/')}
      {lane !== '' && <small> {lane}</small>}
    </>
  );
}

/** Those of one connection; its other end is the processor of the row. */
function FlowFiles(props: { side: 'from' | 'to'; connection: string | null; interval: Interval | null }) {
  const { side, connection, interval } = props;
  if (connection === null || interval === null) return <span class="quiet">–</span>;
  const [from = '', , to = ''] = partsOf(connection).parts;
  const [first, amount] = interval;
  return (
    <a href={toLineage(nameOf(connection, first))} title={connection}>
      {side === 'from' ? from : to}: {describe([interval])}
      {amount > 1 && <small> {count(amount)}</small>}
    </a>
  );
}
