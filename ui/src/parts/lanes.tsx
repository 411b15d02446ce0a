// Of a flow that scales out, the lanes that this Weir has: each has queues and state of its own. One is looked into, or,
// where that can be, all of them together.
import { useState } from 'preact/hooks';
import { path } from '../api/client';
import { count } from '../model/format';
import type { Lane, Lanes } from '../model/types';
import { usePolled } from './use-polled';

const REFRESH = 3000;

export interface LaneChoice {
  /** Whether it scales out; null: not known yet. */
  readonly scalesOut: boolean | null;
  /** What a question to the API has in the end; null: there is nothing to ask. */
  readonly query: string | null;
  readonly lanes: readonly Lane[];
  /** Null: all together, or there is none. */
  readonly chosen: Lane | null;
  readonly together: boolean;
  readonly choose: (lane: string) => void;
}

/** `together`: all lanes can be asked as one, and are unless one is chosen. */
export function useLane(flow: string, together = false): LaneChoice {
  const known = usePolled<Lanes>(path('flows', flow, 'lanes'), REFRESH).data;
  const [wanted, choose] = useState('');
  const lanes = known?.lanes ?? [];
  const chosen = lanes.find(lane => lane.lane === wanted) ?? (together ? null : (lanes[0] ?? null));
  const ofLane = chosen !== null ? `&lane=${encodeURIComponent(chosen.lane)}` : together ? '' : null;
  const query = known === null ? null : known.scales_out ? ofLane : '';
  return { scalesOut: known?.scales_out ?? null, query, lanes, chosen, together, choose };
}

/** Shows nothing where the flow does not scale out. */
export function LaneChooser({ choice }: { choice: LaneChoice }) {
  const { chosen, lanes, together } = choice;
  if (choice.scalesOut !== true) return null;
  if (lanes.length === 0) return <p class="quiet">This Weir has none of its partitions now.</p>;
  return (
    <p class="lane-choice">
      <label>
        Lane{' '}
        <select value={chosen?.lane ?? ''} onChange={event => choice.choose(event.currentTarget.value)}>
          {together && <option value="">all {lanes.length}</option>}
          {lanes.map(lane => (
            <option key={lane.lane}>{lane.lane}</option>
          ))}
        </select>
      </label>{' '}
      {chosen !== null && <small class="quiet">{standing(chosen)}</small>}
    </p>
  );
}

function standing({ offset, needed_from, reads_again_from, problem }: Lane): string {
  if (problem !== '') return problem;
  if (offset === null) return 'asks the group where it is';
  if (reads_again_from !== null) return `reads again from offset ${count(reads_again_from)} to ${count(offset)}`;
  const needed = needed_from === null || needed_from === offset ? '' : `, its windows need ${count(needed_from)} on`;
  return `done before offset ${count(offset)}${needed}`;
}
