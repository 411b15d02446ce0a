// One FlowFile: where it came from and what became of it, its content, and its replay.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { now, store } from '../app';
import { post, ROOT } from '../api/client';
import { bytes, clock, count, duration, plural } from '../model/format';
import { describe, nameOf, parseName, sequences, size } from '../model/intervals';
import { collapse, EVENT_HEIGHT, EVENT_WIDTH, layoutLineage, origins } from '../model/lineage';
import type { DrawnLineage, EventGroup } from '../model/lineage';
import { partsOf } from '../model/names';
import { toConnection, toLineage, toProcessor } from '../model/route';
import type { FlowFileDetail, Interval, Lineage, LineageEdge } from '../model/types';
import { Attributes, Content } from '../parts/bytes';
import { Section } from '../parts/facts';
import { Icon } from '../parts/icon';
import { useAction } from '../parts/use-action';
import { usePolled } from '../parts/use-polled';

const MOST_EVENTS = 2000;
const MOST_LISTED = 20;

function detailPath(flowfile: string): string {
  return `/provenance/flowfile?flowfile=${encodeURIComponent(flowfile)}`;
}

export function LineageView({ flowfile }: { flowfile: string }) {
  const lineage = usePolled<Lineage>(
    `/provenance/lineage?flowfile=${encodeURIComponent(flowfile)}&limit=${MOST_EVENTS}`,
    0,
  );
  const [chosen, setChosen] = useState('flowfile');
  const drawn = useMemo(() => (lineage.data === null ? null : collapse(lineage.data)), [lineage.data]);
  const place = parseName(flowfile);
  return (
    <section class="page lineage">
      <header class="page-head">
        <div>
          <p>
            <a href="#/provenance">Provenance</a>
          </p>
          <h1>
            {place === null ? flowfile : <Place connection={place.connection} />}
            {place !== null && <span class="quiet"> : {place.sequence}</span>}
          </h1>
        </div>
      </header>
      {lineage.error !== '' ? (
        <p class="callout bad">{lineage.error}</p>
      ) : lineage.data === null || drawn === null ? (
        <p class="quiet" role="status">
          Reading its lineage…
        </p>
      ) : (
        <>
          <Graph lineage={drawn} chosen={chosen} onChoose={setChosen} />
          {lineage.data.more && (
            <p class="quiet after">{`These are the nearest ${count(MOST_EVENTS)} events; there are more. Go on from a FlowFile at the edge.`}</p>
          )}
          {lineage.data.removed_by_retention && (
            <p class="quiet after">What is older is gone: provenance is kept for a time.</p>
          )}
          <Chosen lineage={lineage.data} drawn={drawn} chosen={chosen} flowfile={flowfile} />
        </>
      )}
    </section>
  );
}

/** A connection, as a link to where it is in its flow. */
function Place({ connection }: { connection: string }) {
  const { flow, lane, parts } = partsOf(connection);
  const [from = '', relationship = '', to = ''] = parts;
  return (
    <a href={toConnection(flow, { from, relationship, to })} title={connection}>
      {from} → {to}
      {lane !== '' && <small> {lane}</small>}
    </a>
  );
}

function Graph(props: { lineage: DrawnLineage; chosen: string; onChoose: (id: string) => void }) {
  const layout = useMemo(() => layoutLineage(props.lineage), [props.lineage]);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const start = layout.nodes.find(({ node }) => node.kind === 'flowfile');
    const element = box.current;
    if (start === undefined || element === null) return;
    element.scrollLeft = start.x + EVENT_WIDTH / 2 - element.clientWidth / 2;
    element.scrollTop = start.y + EVENT_HEIGHT / 2 - element.clientHeight / 2;
  }, [layout]);
  return (
    <div class="lineage-box" ref={box} tabIndex={0} role="region" aria-label="Lineage, from left to right">
      <div class="lineage-graph" style={{ width: `${layout.width}px`, height: `${layout.height}px` }}>
        <svg width={layout.width} height={layout.height} aria-hidden="true">
          {layout.edges.map(({ edge, path, label }, index) => (
            <g key={index} class="lineage-edge">
              <path d={path} />
              {edge.count > 1 && (
                <text x={label.x} y={label.y - 4}>
                  {count(edge.count)}
                </text>
              )}
            </g>
          ))}
        </svg>
        {layout.nodes.map(({ node, x, y }) => (
          <button
            key={node.id}
            class={`lineage-node ${node.kind} ${node.id === props.chosen ? 'chosen' : ''}`}
            style={{ left: `${x}px`, top: `${y}px`, width: `${EVENT_WIDTH}px`, height: `${EVENT_HEIGHT}px` }}
            aria-pressed={node.id === props.chosen}
            onClick={() => props.onChoose(node.id)}
          >
            {node.kind === 'flowfile' ? (
              <>
                <b>This FlowFile</b>
                <small>{node.sequence}</small>
              </>
            ) : (
              <>
                <span class={`event ${node.type.toLowerCase()}`}>{node.type}</span>
                <span class="where-when">
                  <b>{partsOf(node.processor).parts.join('/')}</b>
                  {node.events > 1 && <small>{plural(node.events, 'event')}</small>}
                  <time dateTime={node.time}>{clock(node.time, now.value)}</time>
                </span>
              </>
            )}
          </button>
        ))}
      </div>
    </div>
  );
}

function Chosen(props: { lineage: Lineage; drawn: DrawnLineage; chosen: string; flowfile: string }) {
  const node = props.drawn.nodes.find(({ id }) => id === props.chosen);
  if (node === undefined || node.kind === 'flowfile')
    return (
      <>
        <FlowFile flowfile={props.flowfile} />
        <Origins lineage={props.lineage} />
      </>
    );
  return <Event node={node} edges={props.drawn.edges} />;
}

function FlowFile({ flowfile }: { flowfile: string }) {
  const detail = usePolled<FlowFileDetail>(detailPath(flowfile), 0);
  const { busy, error, run } = useAction();
  const [replayed, setReplayed] = useState<string | null>(null);
  const data = detail.data;
  if (data === null) return <p class="quiet after">{detail.error === '' ? 'Reading…' : detail.error}</p>;
  const { content } = data;
  const replay = () =>
    run(async () => {
      const { as } = await post<{ as: string }>('/provenance/replay', { flowfile });
      setReplayed(as);
    });
  return (
    <div class="columns">
      <Section
        level={2}
        title="Content"
        aside={
          content.available
            ? `${bytes(content.size ?? null)}, ${content.where === 'queue' ? 'still queued' : 'kept'}`
            : undefined
        }
      >
        {content.available && content.preview !== undefined ? (
          <Content content={content.preview} whole />
        ) : (
          <p class="quiet">{content.why ?? 'It is not kept.'}</p>
        )}
        <div class="choices">
          {content.available && (
            <a class="button" href={`${ROOT}/provenance/content?flowfile=${encodeURIComponent(flowfile)}`} download>
              Download
            </a>
          )}
          {data.replayable && store.session.value?.role === 'operator' && (
            <button class="button" disabled={busy} onClick={() => void replay()}>
              Replay
            </button>
          )}
        </div>
        {replayed !== null && (
          <p class="quiet" role="status">
            It flows again, as <a href={toLineage(replayed)}>{replayed}</a>.
          </p>
        )}
        {error !== '' && (
          <p class="callout bad" role="alert">
            <Icon name="warning" />
            <span>{error}</span>
          </p>
        )}
      </Section>
      {content.available && (
        <Section level={2} title="Attributes">
          <Attributes attributes={content.attributes ?? {}} />
        </Section>
      )}
    </div>
  );
}

/** What the sources brought for this FlowFile: the readings in a mean. Their content is kept where they came in. */
function Origins({ lineage }: { lineage: Lineage }) {
  const brought = useMemo(() => [...origins(lineage)], [lineage]);
  if (brought.length === 0) return null;
  return (
    <div class="columns origins">
      <Members title="Made of what came in" groups={brought} nothing="" />
    </div>
  );
}

function Event({ node, edges }: { node: EventGroup; edges: readonly LineageEdge[] }) {
  const { flow, lane, parts } = partsOf(node.processor);
  const [name = ''] = parts;
  const into = edges.filter(edge => edge.to === node.id);
  const outOf = edges.filter(edge => edge.from === node.id);
  return (
    <>
      <dl class="facts event-facts">
        <div class="fact">
          <dt>Event</dt>
          <dd class="value">
            {node.type} {node.events > 1 && <small>{plural(node.events, 'time')}</small>}
          </dd>
        </div>
        <div class="fact">
          <dt>Processor</dt>
          <dd class="value">
            <a href={toProcessor(flow, name)}>{name}</a>
            {lane !== '' && <small> in lane {lane}</small>}
          </dd>
        </div>
        <div class="fact">
          <dt>Time</dt>
          <dd class="value">{clock(node.time, now.value)}</dd>
        </div>
        <div class="fact">
          <dt>Took</dt>
          <dd class="value">{duration(node.duration_seconds)}</dd>
        </div>
        <div class="fact">
          <dt>Size</dt>
          <dd class="value">{bytes(node.bytes)}</dd>
        </div>
      </dl>
      {node.transit_uri !== null && <p class="where after">{node.transit_uri}</p>}
      {node.details !== '' && <p class="quiet after">{node.details}</p>}
      <div class="columns">
        <Members
          title="Taken"
          groups={groups(into, node.in_connection, node.inputs)}
          nothing="Nothing of this flow: it is where the data came in."
        />
        <Members
          title="Made"
          groups={groups(outOf, node.out_connection, node.outputs)}
          nothing="Nothing that went on in this flow."
        />
      </div>
    </>
  );
}

type Group = [connection: string, intervals: Interval[]];

/** The FlowFiles at one side of an event: of its edges, else as it says itself. */
function groups(edges: readonly LineageEdge[], connection: string | null, own: Interval[]): Group[] {
  const known = new Map<string, Interval[]>();
  for (const edge of edges) known.set(edge.connection, [...(known.get(edge.connection) ?? []), ...edge.flowfiles]);
  if (known.size === 0 && connection !== null && own.length > 0) known.set(connection, own);
  return [...known];
}

function Members({ title, groups, nothing }: { title: string; groups: Group[]; nothing: string }) {
  const total = groups.reduce((sum, [, intervals]) => sum + size(intervals), 0);
  return (
    <Section level={2} title={title} aside={total === 0 ? undefined : plural(total, 'FlowFile')}>
      {groups.length === 0 && <p class="quiet">{nothing}</p>}
      {groups.map(([connection, intervals]) => (
        <div key={connection} class="members">
          <p>
            <Place connection={connection} /> <small>{describe(intervals)}</small>
          </p>
          <ul>
            {sequences(intervals, MOST_LISTED).map(sequence => (
              <Member key={sequence} flowfile={nameOf(connection, sequence)} sequence={sequence} />
            ))}
          </ul>
          {size(intervals) > MOST_LISTED && <p class="quiet">{`and ${count(size(intervals) - MOST_LISTED)} more`}</p>}
        </div>
      ))}
    </Section>
  );
}

/** A FlowFile in a list, with as much of its content as is still there. */
function Member({ flowfile, sequence }: { flowfile: string; sequence: number }) {
  const detail = usePolled<FlowFileDetail>(detailPath(flowfile), 0);
  const content = detail.data?.content;
  return (
    <li>
      <a href={toLineage(flowfile)}>{sequence}</a>{' '}
      {content?.preview?.text !== undefined ? (
        <code>{content.preview.text.slice(0, 200)}</code>
      ) : (
        <span class="quiet">{detail.data === null ? '' : 'content not kept'}</span>
      )}
    </li>
  );
}
