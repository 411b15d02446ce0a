import { memo } from '../parts/memo';
import { now, store } from '../app';
import { latestTrouble } from '../model/attention';
import { count, rate } from '../model/format';
import { toProcessor } from '../model/route';
import type { ProcessorModel } from '../model/store';
import { NODE_HEIGHT, NODE_WIDTH } from '../model/layout';
import { Sparkline } from '../parts/sparkline';
import { lookOf, StatusMark } from '../parts/status';

interface Props {
  processor: ProcessorModel;
  x: number;
  y: number;
  chosen: boolean;
  /** By the Tab key; the arrow keys lead on from there. */
  reachable: boolean;
  onHover: (name: string | null) => void;
}

/** A processor: a link to its panel. */
export const Node = memo(function Node({ processor, x, y, chosen, reachable, onHover }: Props) {
  processor.version.value;
  const state = processor.state.value;
  const { type, source } = processor.info;
  const sink = processor.sink && !source;
  const look = lookOf(state);
  const series = processor.countsRecords
    ? source
      ? processor.recordsOut
      : processor.recordsIn
    : source
      ? processor.flowfilesOut
      : processor.flowfilesIn;
  return (
    <a
      class={`node ${look.tone} ${chosen ? 'chosen' : ''}`}
      href={toProcessor(processor.flow, state.name)}
      style={{ left: `${x}px`, top: `${y}px`, width: `${NODE_WIDTH}px`, height: `${NODE_HEIGHT}px` }}
      data-processor={state.name}
      aria-current={chosen ? 'true' : undefined}
      tabIndex={reachable ? 0 : -1}
      onPointerEnter={() => onHover(state.name)}
      onPointerLeave={() => onHover(null)}
    >
      <span class="node-head">
        <StatusMark state={state} named={look.tone === 'good'} />
        <b>{state.name}</b>
        <Errors processor={processor} />
      </span>
      <span class="node-type">{look.tone === 'good' ? type : `${type} · ${look.text}`}</span>
      <span class="node-foot">
        <span class="node-rates">
          {!source && (
            <span>
              <i>in</i> {rate(processor.rateIn)}
            </span>
          )}
          {!sink && (
            <span>
              <i>out</i> {rate(processor.rateOut)}
            </span>
          )}
        </span>
        <Sparkline series={series.rates} width={48} height={14} />
      </span>
    </a>
  );
});

/** How many there were; loud while the latest is fresh. */
function Errors({ processor }: { processor: ProcessorModel }) {
  const { errors, name } = processor.state.value;
  const trouble = latestTrouble(processor.flow, store.bulletins.value, now.value).get(name);
  if (errors === 0 && trouble === undefined) return null;
  const loud = trouble?.level === 'error' || processor.errors.grown(120) > 0;
  const title = trouble?.message ?? 'Errors since the start; none of late';
  return (
    <span class={`badge ${loud ? 'bad' : trouble !== undefined ? 'warn' : ''}`} title={title}>
      {errors > 0 ? count(errors) : '!'}
    </span>
  );
}
