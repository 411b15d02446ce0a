// What waits in a connection, and what an operator may do with it.
import { useState } from 'preact/hooks';
import { store } from '../app';
import { path, post, ROOT } from '../api/client';
import { bytes, count, plural } from '../model/format';
import type { ConnectionModel } from '../model/store';
import type { QueueListing } from '../model/types';
import { Dialog } from '../parts/dialog';
import { Section } from '../parts/facts';
import { FlowFileRow } from '../parts/flowfile-row';
import { LaneChooser, useLane } from '../parts/lanes';
import { Outcome } from '../parts/outcome';
import { Redrive } from '../parts/redrive';
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
  const lane = useLane(connection.flow);
  const question = `?limit=${PAGE}` + (after === null ? '' : `&after=${after}`) + (lane.query ?? '');
  const listing = usePolled<QueueListing>(lane.query === null ? null : `${where}/flowfiles${question}`, REFRESH);
  const list = listing.data;
  const choose = (name: string) => {
    setPages([null]);
    setOpened(null);
    lane.choose(name);
  };
  const { queued, held } = connection.state.value;
  return (
    <Section title="What waits" aside={`${count(queued)} queued${held > 0 ? `, ${count(held)} held` : ''}`}>
      <LaneChooser choice={{ ...lane, choose }} />
      {lane.scalesOut === true && lane.chosen === null ? null : list === null ? (
        <p class="quiet">{listing.error === '' ? 'Reading…' : listing.error}</p>
      ) : list.flowfiles.length === 0 ? (
        <p class="quiet">Nothing: what comes is taken at once.</p>
      ) : (
        <ul class="flowfiles">
          {list.flowfiles.map(item => (
            <FlowFileRow
              key={item.sequence}
              item={item}
              opened={opened === item.sequence}
              onToggle={() => setOpened(opened === item.sequence ? null : item.sequence)}
              links={
                <a href={`${ROOT}${where}/flowfiles/${item.sequence}/content?${(lane.query ?? '').slice(1)}`} download>
                  Download the content
                </a>
              }
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
      {lane.scalesOut === false && <QueueActions connection={connection} where={where} />}
    </Section>
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
  return (
    <div class="controls">
      <div>
        {connection.failure && (
          <Redrive connection={where} disabled={busy || queued === 0} act={run} onDone={setDone} />
        )}
        <button class="button danger" disabled={busy || queued === 0} onClick={() => void ask()}>
          Drop all…
        </button>
      </div>
      <Outcome done={done} error={error} />
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
