import { Icon, type IconName } from './icon';
import type { ProcessorState } from '../model/types';

export interface Look {
  tone: 'good' | 'bad' | 'off' | 'wait';
  icon: IconName;
  text: string;
}

/** How a processor's state is shown: by shape and word as well as by colour. */
export function lookOf(state: Pick<ProcessorState, 'status' | 'ready'>): Look {
  switch (state.status) {
    case 'misconfigured':
      return { tone: 'bad', icon: 'warning', text: 'misconfigured' };
    case 'stopped':
      return { tone: 'off', icon: 'stop', text: 'stopped' };
    case 'stopping':
      return { tone: 'wait', icon: 'stop', text: 'stopping' };
    case 'starting':
      return state.ready
        ? { tone: 'wait', icon: 'ring', text: 'starting' }
        : { tone: 'bad', icon: 'warning', text: 'starting, not ready' };
    case 'finished':
      return { tone: 'off', icon: 'check', text: 'finished' };
    case 'running':
      return state.ready
        ? { tone: 'good', icon: 'dot', text: 'running' }
        : { tone: 'bad', icon: 'warning', text: 'not ready' };
  }
}

/** `named`: the word stands nowhere beside it. */
export function StatusMark({ state, named }: { state: Pick<ProcessorState, 'status' | 'ready'>; named?: boolean }) {
  const look = lookOf(state);
  return (
    <span class={`mark ${look.tone}`} title={look.text}>
      <Icon name={look.icon} />
      {named && <span class="hidden">{look.text} </span>}
    </span>
  );
}
