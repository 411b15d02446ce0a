// What failed and waits, with why; and the way back to where it failed.
import { useState } from 'preact/hooks';
import { now, store } from '../app';
import { path } from '../api/client';
import { ago, clock, plural } from '../model/format';
import { toConnection, toProcessor } from '../model/route';
import type { DeadLetter, DeadLetters } from '../model/types';
import { Section } from '../parts/facts';
import { FlowFileRow } from '../parts/flowfile-row';
import { Outcome } from '../parts/outcome';
import { Redrive } from '../parts/redrive';
import { useAction } from '../parts/use-action';
import { usePolled } from '../parts/use-polled';

const LIMIT = 100;
const REFRESH = 3000;

export function DeadLettersView({ flow }: { flow: string }) {
  const { data, error } = usePolled<DeadLetters>(`${path('flows', flow)}/dead-letters?limit=${LIMIT}`, REFRESH);
  const waiting = data?.connections.filter(({ queued, held }) => queued + held > 0) ?? [];
  return (
    <section class="page">
      <header class="page-head">
        <h1>{`Dead letters of ${flow}`}</h1>
      </header>
      {error !== '' && <p class="callout bad">{error}</p>}
      {data === null ? (
        error === '' && (
          <p class="quiet" role="status">
            Reading…
          </p>
        )
      ) : waiting.length === 0 ? (
        <div class="empty">
          <h2>Nothing that failed waits</h2>
          <p>
            What fails goes where the flow file sends <code>failure</code>. It waits here as long as the processor there
            is stopped (<code>enabled: false</code>), so that it can be sent back once the cause is mended.
          </p>
        </div>
      ) : (
        waiting.map(connection => (
          <Failed
            key={connection.id}
            flow={flow}
            connection={connection}
            flowfiles={data.flowfiles.filter(file => file.connection === connection.id)}
          />
        ))
      )}
      {data?.more && <p class="quiet after">{`The oldest ${LIMIT} are shown.`}</p>}
    </section>
  );
}

function Failed(props: { flow: string; connection: DeadLetters['connections'][number]; flowfiles: DeadLetter[] }) {
  const { flow, connection, flowfiles } = props;
  const [opened, setOpened] = useState<number | null>(null);
  const [done, setDone] = useState('');
  const { busy, error, run } = useAction();
  const known = store.connection(connection.id);
  const consumer = store.processor(flow, connection.consumer)?.state.value.status;
  const from = known?.info.from ?? connection.id;
  return (
    <Section
      level={2}
      title={`From ${from}`}
      aside={
        known === undefined ? (
          plural(connection.queued, 'FlowFile')
        ) : (
          <a
            href={toConnection(flow, known.info)}
          >{`${plural(connection.queued, 'FlowFile')} before ${known.info.to}`}</a>
        )
      }
    >
      <ul class="flowfiles">
        {flowfiles.map(file => (
          <FlowFileRow
            key={file.sequence}
            item={file}
            opened={opened === file.sequence}
            onToggle={() => setOpened(opened === file.sequence ? null : file.sequence)}
            reason={<Reason of={file} />}
            links={
              file.error.processor !== null && <a href={toProcessor(flow, file.error.processor)}>Where it failed</a>
            }
          />
        ))}
      </ul>
      {store.session.value?.role === 'operator' && (
        <div class="controls">
          <div>
            <Redrive
              connection={'/connections' + path(...connection.id.split('/'))}
              disabled={busy || connection.queued === 0 || consumer !== 'stopped'}
              act={run}
              onDone={setDone}
            />
            {consumer !== 'stopped' && (
              <span class="quiet">{`Stop ${connection.consumer} first: it is taking them.`}</span>
            )}
          </div>
        </div>
      )}
      <Outcome done={done} error={error} />
    </Section>
  );
}

function Reason({ of }: { of: DeadLetter }) {
  const { message, time, kind } = of.error;
  if (message === null && kind === null) return <p class="reason quiet">Why is not known: nothing says it.</p>;
  const at = time === null ? NaN : Number(time);
  return (
    <p class="reason">
      {message ?? kind}
      {!Number.isNaN(at) && <small title={clock(at, now.value)}> {ago(at, now.value)}</small>}
    </p>
  );
}
