// What failed and waits, with why; and the way back to where it failed.
import { useState } from 'preact/hooks';
import { now, store } from '../app';
import { path } from '../api/client';
import { ago, clock, plural } from '../model/format';
import { toConnection, toProcessor } from '../model/route';
import type { DeadLetter, DeadLetters } from '../model/types';
import { Section } from '../parts/facts';
import { FlowFileRow } from '../parts/flowfile-row';
import { LaneChooser, useLane } from '../parts/lanes';
import { Outcome } from '../parts/outcome';
import { Redrive } from '../parts/redrive';
import { useAction } from '../parts/use-action';
import { usePolled } from '../parts/use-polled';

const LIMIT = 100;
const REFRESH = 3000;

export function DeadLettersView({ flow }: { flow: string }) {
  const lane = useLane(flow, true);
  const question = `${path('flows', flow)}/dead-letters?limit=${LIMIT}${lane.query ?? ''}`;
  const { data, error } = usePolled<DeadLetters>(lane.query === null ? null : question, REFRESH);
  const waiting = data?.connections.filter(({ queued, held }) => queued + held > 0) ?? [];
  return (
    <section class="page">
      <header class="page-head">
        <h1>{`Dead letters of ${flow}`}</h1>
      </header>
      <LaneChooser choice={lane} />
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
          {lane.scalesOut === true ? (
            <p>
              What fails in a lane goes where the flow file sends <code>failure</code>. It waits here only while the
              processor there cannot take it.
            </p>
          ) : (
            <p>
              What fails goes where the flow file sends <code>failure</code>. It waits here as long as the processor
              there is stopped (<code>enabled: false</code>), so that it can be sent back once the cause is mended.
            </p>
          )}
        </div>
      ) : (
        waiting.map(connection => (
          <Failed
            key={connection.id}
            flow={flow}
            inLanes={lane.scalesOut === true}
            connection={connection}
            flowfiles={data.flowfiles.filter(file => file.connection === connection.id)}
          />
        ))
      )}
      {data?.more && <p class="quiet after">{`The oldest ${LIMIT} are shown.`}</p>}
    </section>
  );
}

function Failed(props: {
  flow: string;
  /** Nobody sends back what failed there. */
  inLanes: boolean;
  connection: DeadLetters['connections'][number];
  flowfiles: DeadLetter[];
}) {
  const { flow, inLanes, connection, flowfiles } = props;
  const [opened, setOpened] = useState<string | null>(null);
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
          plural(connection.queued + connection.held, 'FlowFile')
        ) : (
          <a
            href={toConnection(flow, known.info)}
          >{`${plural(connection.queued + connection.held, 'FlowFile')} before ${known.info.to}`}</a>
        )
      }
    >
      <ul class="flowfiles">
        {flowfiles.map(file => (
          <FlowFileRow
            key={file.flowfile}
            item={file}
            opened={opened === file.flowfile}
            onToggle={() => setOpened(opened === file.flowfile ? null : file.flowfile)}
            reason={<Reason of={file} />}
            links={
              file.error.processor !== null && <a href={toProcessor(flow, file.error.processor)}>Where it failed</a>
            }
          />
        ))}
      </ul>
      {inLanes && (
        <p class="quiet after">{`They go on to ${connection.consumer} as soon as it takes them: in a lane nothing is sent back.`}</p>
      )}
      {!inLanes && store.session.value?.role === 'operator' && (
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
