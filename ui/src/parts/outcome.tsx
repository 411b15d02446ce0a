import { Icon } from './icon';

/** What came of the last thing that was asked for: done, or why not; nothing where a text is empty. */
export function Outcome(props: { done: string; error: string }) {
  return (
    <>
      {props.done !== '' && (
        <p class="quiet" role="status">
          {props.done}
        </p>
      )}
      {props.error !== '' && (
        <p class="callout bad" role="alert">
          <Icon name="warning" />
          <span>{props.error}</span>
        </p>
      )}
    </>
  );
}
