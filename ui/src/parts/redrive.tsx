import { post } from '../api/client';
import { count, plural } from '../model/format';
import type { Action } from './use-action';

/** Sends all that waits on a `failure` connection back to where it failed. */
export function Redrive(props: {
  /** Its path in the API. */
  connection: string;
  disabled: boolean;
  act: Action['run'];
  onDone: (said: string) => void;
}) {
  const redrive = () =>
    props.act(async () => {
      const { redriven, kept } = await post<{ redriven: number; kept: number }>(`${props.connection}/redrive`);
      props.onDone(`${plural(redriven, 'FlowFile')} sent back${kept > 0 ? `, ${count(kept)} kept` : ''}.`);
    });
  return (
    <button class="button" disabled={props.disabled} onClick={() => void redrive()}>
      Send back to where they failed
    </button>
  );
}
