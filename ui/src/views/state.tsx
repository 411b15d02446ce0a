// What a processor keeps from one session to the next, and how an operator clears it.
import { useState } from 'preact/hooks';
import { store } from '../app';
import { path, post } from '../api/client';
import { bytes, plural } from '../model/format';
import type { ProcessorModel } from '../model/store';
import type { Bytes, StateListing } from '../model/types';
import { escaped } from '../model/hex';
import { Dialog } from '../parts/dialog';
import { Section } from '../parts/facts';
import { LaneChooser, useLane } from '../parts/lanes';
import { Outcome } from '../parts/outcome';
import { useAction } from '../parts/use-action';
import { usePolled } from '../parts/use-polled';

const PAGE = 20;
const REFRESH = 3000;

export function State({ processor }: { processor: ProcessorModel }) {
  const [shown, setShown] = useState(false);
  const { state_entries: entries } = processor.state.value;
  if (entries === 0 && !shown) return null;
  return (
    <Section
      title="What it remembers"
      aside={
        <button class="link" aria-expanded={shown} onClick={() => setShown(!shown)}>
          {shown ? 'hide' : `show ${entries === 1 ? 'its entry' : 'its entries'}`}
        </button>
      }
    >
      {shown ? (
        <Entries processor={processor} />
      ) : (
        <p class="quiet">{`${plural(entries, 'entry', 'entries')} of state, durable with every epoch.`}</p>
      )}
    </Section>
  );
}

function Entries({ processor }: { processor: ProcessorModel }) {
  // Where each page began; the last one is shown.
  const [pages, setPages] = useState<string[]>(['']);
  const after = pages.at(-1) ?? '';
  const where = path('flows', processor.flow, 'processors', processor.name) + '/state';
  const lane = useLane(processor.flow);
  const question = `?limit=${PAGE}` + (after === '' ? '' : `&after=${after}`) + (lane.query ?? '');
  const { data, error } = usePolled<StateListing>(lane.query === null ? null : where + question, REFRESH);
  const choose = (name: string) => {
    setPages(['']);
    lane.choose(name);
  };
  if (lane.scalesOut === true && lane.chosen === null) return <LaneChooser choice={lane} />;
  if (data === null) return <p class="quiet">{error === '' ? 'Reading…' : error}</p>;
  return (
    <>
      <LaneChooser choice={{ ...lane, choose }} />
      {data.entries.length === 0 ? (
        <p class="quiet">Nothing.</p>
      ) : (
        <div class="state-entries" tabIndex={0} role="region" aria-label="Entries of its state">
          <dl class="pairs">
            {data.entries.map(({ key, value, size }) => (
              <div key={key.text ?? key.base64} class="long">
                <dt>
                  <Short of={key} />
                </dt>
                <dd>
                  <Short of={value} /> <small>{bytes(size)}</small>
                </dd>
              </div>
            ))}
          </dl>
        </div>
      )}
      {(pages.length > 1 || data.more) && (
        <div class="pager">
          <button class="button" disabled={pages.length === 1} onClick={() => setPages(pages.slice(0, -1))}>
            Before
          </button>
          <button
            class="button"
            disabled={!data.more || data.next_after === null}
            onClick={() => setPages([...pages, data.next_after ?? ''])}
          >
            Next
          </button>
        </div>
      )}
      {lane.scalesOut === false && (
        <Clear processor={processor} where={where} total={data.total} onDone={() => setPages([''])} />
      )}
    </>
  );
}

/** As text where it can be read; of what is packed, the bytes. */
function Short({ of }: { of: Bytes }) {
  return (
    <code>
      {of.text !== undefined ? JSON.stringify(of.text).slice(1, -1) : escaped(atob(of.base64 ?? ''))}
      {of.truncated === true && '…'}
    </code>
  );
}

function Clear(props: { processor: ProcessorModel; where: string; total: number; onDone: () => void }) {
  const { processor, total } = props;
  const { busy, error, run } = useAction();
  const [asked, setAsked] = useState(false);
  const [done, setDone] = useState('');
  const { name, status } = processor.state.value;
  if (store.session.value?.role !== 'operator') return null;
  const clear = () =>
    run(async () => {
      setAsked(false);
      const { cleared } = await post<{ cleared: number }>(`${props.where}/clear`);
      setDone(`${plural(cleared, 'entry', 'entries')} cleared.`);
      props.onDone();
    });
  return (
    <div class="controls">
      <div>
        <button
          class="button danger"
          disabled={busy || status !== 'stopped' || total === 0}
          onClick={() => setAsked(true)}
        >
          Clear…
        </button>
        {status !== 'stopped' && total > 0 && (
          <span class="quiet">Stop it first: a running one’s state is its own.</span>
        )}
      </div>
      <Outcome done={done} error={error} />
      {asked && (
        <Dialog label="Clear what it remembers" onClose={() => setAsked(false)}>
          <h2>{`Clear ${plural(total, 'entry', 'entries')} of ${name}?`}</h2>
          <p class="about">
            It begins as if it were new: open windows, what it has seen, and how far a source has read are forgotten,
            and cannot be had back.
          </p>
          <div class="choices">
            <button class="button" onClick={() => setAsked(false)}>
              Keep it
            </button>
            <button class="button danger" onClick={() => void clear()}>
              Clear
            </button>
          </div>
        </Dialog>
      )}
    </div>
  );
}
