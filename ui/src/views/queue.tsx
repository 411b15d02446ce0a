// What waits in a connection, and what an operator may do with it.
import { useState } from 'preact/hooks';
import { store } from '../app';
import { path, post, ROOT } from '../api/client';
import { bytes, count, duration, plural } from '../model/format';
import { toLineage } from '../model/route';
import type { ConnectionModel } from '../model/store';
import type { QueuedFlowFile, QueueListing } from '../model/types';
import { Attributes, Content } from '../parts/bytes';
import { Dialog } from '../parts/dialog';
import { Section } from '../parts/facts';
import { Icon } from '../parts/icon';
import { useAction } from '../parts/use-action';
import { usePolled } from '../parts/use-polled';

const PAGE = 20;
const REFRESH = 3000;

export function connectionPath(connection: ConnectionModel): string {
  const { from, relationship, to } = connection.info;
  return path('connections', connection.flow, from, relationship, to);
}

export function Queue({ connection }: { connection: ConnectionModel }) {
  // Where each page began; the last one is shown.
  const [pages, setPages] = useState<(number | null)[]>([null]);
  const [opened, setOpened] = useState<number | null>(null);
  const after = pages.at(-1) ?? null;
  const where = connectionPath(connection);
  const question = `?limit=${PAGE}` + (after === null ? '' : `&after=${after}`);
  const listing = usePolled<QueueListing>(`${where}/flowfiles${question}`, REFRESH);
  const list = listing.data;
  const { queued, held } = connection.state.value;
  return (
    <Section title="What waits" aside={`${count(queued)} queued${held > 0 ? `, ${count(held)} held` : ''}`}>
      {list === null ? (
        <p class="quiet">{listing.error === '' ? 'Reading…' : listing.error}</p>
      ) : list.flowfiles.length === 0 ? (
        <p class="quiet">Nothing: what comes is taken at once.</p>
      ) : (
        <ul class="flowfiles">
          {list.flowfiles.map(item => (
            <Item
              key={item.sequence}
              item={item}
              where={where}
              opened={opened === item.sequence}
              onToggle={() => setOpened(opened === item.sequence ? null : item.sequence)}
            />
          ))}
        </ul>
      )}
      {(pages.length > 1 || list?.more) && (
        <div class="pager">
          <button class="button" disabled={pages.length === 1} onClick={() => setPages(pages.slice(0, -1))}>
            Before
          </button>
          <button
            class="button"
            disabled={!list?.more}
            onClick={() => setPages([...pages, list?.next_after ?? list?.flowfiles.at(-1)?.sequence ?? null])}
          >
            Next
          </button>
        </div>
      )}
      <QueueActions connection={connection} where={where} />
    </Section>
  );
}

function Item(props: { item: QueuedFlowFile; where: string; opened: boolean; onToggle: () => void }) {
  const { item, opened } = props;
  return (
    <li class={opened ? 'opened' : ''}>
      <button class="row" aria-expanded={opened} onClick={props.onToggle}>
        <b>{item.sequence}</b>
        <span class={`state ${item.state}`}>{item.state === 'queued' ? '' : item.state}</span>
        <span>{bytes(item.size)}</span>
        <span>{duration(item.age_seconds)} old</span>
      </button>
      {!opened && item.preview?.text !== undefined && <code class="glimpse">{item.preview.text.slice(0, 120)}</code>}
      {opened && (
        <div class="opened-body">
          {item.state === 'retry' && (
            <p class="quiet">{`Tried ${plural(item.attempts, 'time')}${item.due === null ? '' : ', to be tried again'}.`}</p>
          )}
          {item.preview !== undefined && <Content content={item.preview} whole />}
          <Attributes attributes={item.attributes} />
          <p class="links">
            <a href={toLineage(item.flowfile)}>Where it came from</a>
            <a href={`${ROOT}${props.where}/flowfiles/${item.sequence}/content`} download>
              Download the content
            </a>
          </p>
        </div>
      )}
    </li>
  );
}

interface Promised {
  token: string;
  flowfiles: number;
  bytes: number;
}

function QueueActions({ connection, where }: { connection: ConnectionModel; where: string }) {
  const { busy, error, run } = useAction();
  const [asked, setAsked] = useState<Promised | null>(null);
  const [done, setDone] = useState('');
  const { queued } = connection.state.value;
  if (store.session.value?.role !== 'operator') return null;
  const ask = () => run(async () => setAsked(await post<Promised>(`${where}/drop`)));
  const drop = (token: string) =>
    run(async () => {
      setAsked(null);
      const { dropped } = await post<{ dropped: number }>(`${where}/drop`, { token });
      setDone(`${plural(dropped, 'FlowFile')} dropped.`);
    });
  const redrive = () =>
    run(async () => {
      const { redriven, kept } = await post<{ redriven: number; kept: number }>(`${where}/redrive`);
      setDone(`${plural(redriven, 'FlowFile')} sent back${kept > 0 ? `, ${count(kept)} kept` : ''}.`);
    });
  return (
    <div class="controls">
      <div>
        {connection.failure && (
          <button class="button" disabled={busy || queued === 0} onClick={() => void redrive()}>
            Send back to where they failed
          </button>
        )}
        <button class="button danger" disabled={busy || queued === 0} onClick={() => void ask()}>
          Drop all…
        </button>
      </div>
      {done !== '' && (
        <p class="quiet" role="status">
          {done}
        </p>
      )}
      {error !== '' && (
        <p class="callout bad" role="alert">
          <Icon name="warning" />
          <span>{error}</span>
        </p>
      )}
      {asked !== null && (
        <Dialog label="Drop what waits" onClose={() => setAsked(null)}>
          <h2>{`Drop ${plural(asked.flowfiles, 'FlowFile')}?`}</h2>
          <p class="about">
            {`${bytes(asked.bytes)} that wait for ${connection.info.to} are gone then, and cannot be had back. What comes from now on is not touched. Provenance keeps that they were dropped.`}
          </p>
          <div class="choices">
            <button class="button" onClick={() => setAsked(null)}>
              Keep them
            </button>
            <button class="button danger" onClick={() => void drop(asked.token)}>
              Drop
            </button>
          </div>
        </Dialog>
      )}
    </div>
  );
}
