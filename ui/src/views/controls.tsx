// Starting and stopping a processor.
import { now, store } from '../app';
import { path, post } from '../api/client';
import { ago } from '../model/format';
import type { ProcessorModel } from '../model/store';
import type { Status } from '../model/types';
import { Icon } from '../parts/icon';
import { useAction } from '../parts/use-action';

/** What can be done with a processor in this state. */
export function possible(status: Status): { start: boolean; stop: boolean; runOnce: boolean } {
  return {
    start: status === 'stopped' || status === 'misconfigured' || status === 'finished',
    stop: status === 'running' || status === 'starting' || status === 'misconfigured',
    runOnce: status === 'stopped',
  };
}

export function Controls({ processor }: { processor: ProcessorModel }) {
  const { busy, error, run } = useAction();
  const state = processor.state.value;
  if (store.session.value?.role === 'viewer') return null;
  const can = possible(state.status);
  const act = (verb: 'start' | 'stop' | 'run-once') => () =>
    void run(() => post(path('flows', processor.flow, 'processors', state.name, verb)));
  const by = state.stopped_by;
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
      </div>
      {state.status === 'stopped' && (
        <p class="quiet">
          {by == null
            ? 'Stopped by the flow file (enabled: false).'
            : `Stopped by ${by.who}, ${ago(Date.parse(by.time), now.value)}. It stays so over restarts.`}
        </p>
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
