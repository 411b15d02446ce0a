// One FlowFile in a list: a line that opens, and what stands in it then.
import type { ComponentChildren } from 'preact';
import { bytes, duration, plural } from '../model/format';
import { toLineage } from '../model/route';
import type { QueuedFlowFile } from '../model/types';
import { Attributes, Content } from './bytes';

export function FlowFileRow(props: {
  item: QueuedFlowFile;
  opened: boolean;
  onToggle: () => void;
  /** Beside the way to its lineage. */
  links?: ComponentChildren;
  /** Above everything, whether it is open or not. */
  reason?: ComponentChildren;
}) {
  const { item, opened } = props;
  return (
    <li class={opened ? 'opened' : ''}>
      <button class="row" aria-expanded={opened} onClick={props.onToggle}>
        <b>
          {item.sequence}
          {item.lane !== undefined && <small class="lane">{item.lane}</small>}
        </b>
        <span class={`state ${item.state}`}>
          {item.state === 'queued' || item.state === 'passed' ? '' : item.state}
        </span>
        <span>{bytes(item.size)}</span>
        <span>{duration(item.age_seconds)} old</span>
      </button>
      {props.reason}
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
            {props.links}
          </p>
        </div>
      )}
    </li>
  );
}
