// Starting and stopping a processor, and terminating one that does not come to an end.
import { useRef, useState } from 'preact/hooks';
import { now, store } from '../app';
import { path, post } from '../api/client';
import { ago, plural } from '../model/format';
import type { ProcessorModel } from '../model/store';
import type { Status } from '../model/types';
import { Dialog } from '../parts/dialog';
import { Icon } from '../parts/icon';
import { useAction } from '../parts/use-action';

/** Milliseconds that a processor may take to stop before something seems to be wrong. */
const USUAL = 3000;

/** What can be done with a processor in this state. */
export function possible(status: Status): { start: boolean; stop: boolean; runOnce: boolean } {
  return {
    start: status === 'stopped' || status === 'misconfigured' || status === 'finished',
    stop: status === 'running' || status === 'starting' || status === 'misconfigured',
    runOnce: status === 'stopped',
  };
}

/** Whether it has been seen stopping for longer than usual. */
function useOverdue(name: string, status: Status): boolean {
  const seen = useRef({ name: '', since: 0 });
  if (status !== 'stopping') {
    seen.current = { name: '', since: 0 };
    return false;
  }
  if (seen.current.name !== name) seen.current = { name, since: Date.now() };
  return now.value - seen.current.since > USUAL;
}

function Terminate(props: { name: string; disabled: boolean; onTerminate: () => void }) {
  const [asked, setAsked] = useState(false);
  return (
    <>
      <button class="button danger" disabled={props.disabled} onClick={() => setAsked(true)}>
        Terminate…
      </button>
      {asked && (
        <Dialog label={`Terminate ${props.name}`} onClose={() => setAsked(false)}>
          <h2>{`Terminate ${props.name}?`}</h2>
          <p class="about">
            It has not returned from what it is at, which is abandoned: its FlowFiles are queued again, and it is
            stopped. Nothing of it counts, but what its thread still does outside of Weir cannot be taken back, and may
            come twice.
          </p>
          <div class="choices">
            <button class="button" onClick={() => setAsked(false)}>
              Wait for it
            </button>
            <button
              class="button danger"
              onClick={() => {
                setAsked(false);
                props.onTerminate();
              }}
            >
              Terminate
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}

export function Controls({ processor }: { processor: ProcessorModel }) {
  const { busy, error, run } = useAction();
  const state = processor.state.value;
  const overdue = useOverdue(`${processor.flow}/${state.name}`, state.status);
  if (store.session.value?.role === 'viewer') return null;
  const can = possible(state.status);
  const act = (verb: 'start' | 'stop' | 'run-once' | 'terminate') => () =>
    void run(() => post(path('flows', processor.flow, 'processors', state.name, verb)));
  const by = state.stopped_by;
  const left = state.threads_left ?? 0;
  return (
    <div class="controls">
      <div role="group" aria-label={`Control ${state.name}`}>
        {can.stop && (
          <button class="button" disabled={busy} onClick={act('stop')}>
            <Icon name="stop" /> Stop
          </button>
        )}
        {can.start && (
          <button class="button" disabled={busy} onClick={act('start')}>
            <Icon name="play" /> {state.status === 'misconfigured' ? 'Try again' : 'Start'}
          </button>
        )}
        {can.runOnce && (
          <button
            class="button"
            disabled={busy}
            onClick={act('run-once')}
            title="One session of one FlowFile, then stopped again"
          >
            <Icon name="step" /> Run once
          </button>
        )}
        {state.status === 'stopping' && <span class="quiet">Ends what it is at, and makes it durable…</span>}
        {overdue && <Terminate name={state.name} disabled={busy} onTerminate={act('terminate')} />}
      </div>
      {state.status === 'stopped' && (
        <p class="quiet">
          {by == null
            ? 'Stopped by the flow file (enabled: false).'
            : `Stopped by ${by.who}, ${ago(Date.parse(by.time), now.value)}. It stays so over restarts.`}
        </p>
      )}
      {left > 0 && (
        <p class="quiet">{`${plural(left, 'thread')} of what was terminated ${left === 1 ? 'has' : 'have'} not come back yet.`}</p>
      )}
      {error !== '' && (
        <p class="callout bad" role="alert">
          <Icon name="warning" />
          <span>{error}</span>
        </p>
      )}
    </div>
  );
}
