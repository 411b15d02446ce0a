import { navigate } from '../app';
import { count, percent, rate } from '../model/format';
import type { EdgeShape } from '../model/layout';
import { flowRoute } from '../model/route';
import type { ConnectionModel } from '../model/store';
import { memo } from '../parts/memo';

interface Props {
  connection: ConnectionModel;
  shape: EdgeShape;
  chosen: boolean;
  /** It begins or ends at the processor that is looked at. */
  lit: boolean;
}

/** How full a queue looks: nothing, flowing, filling, full. */
export function fullnessTone(fullness: number, full: boolean, moving: boolean): string {
  if (full || fullness >= 0.8) return 'full';
  if (fullness >= 0.4) return 'filling';
  return moving || fullness > 0 ? 'moving' : 'still';
}

/** From 1.5 to 8 px. The root shows the first per cents, which is when one wants to look. */
export function strokeWidth(fullness: number): number {
  return Math.round((1.5 + 6.5 * Math.sqrt(Math.min(1, Math.max(0, fullness)))) * 10) / 10;
}

/** A connection: a line whose width and colour show how full its queue is. */
export const Edge = memo(function Edge({ connection, shape, chosen, lit }: Props) {
  connection.version.value;
  const { queued, fullness, full, next, held } = connection.state.value;
  const passing = connection.passed.rate();
  const moving = (passing ?? 0) > 0;
  const { from, relationship, to } = connection.info;
  const width = strokeWidth(fullness);
  const unused = connection.failure && next === 0;
  const tone = fullnessTone(fullness, full, moving);
  const named = relationship !== 'success' && relationship !== 'failure';
  const size = 4 + width;
  return (
    <g
      class={`edge ${tone} ${connection.failure ? 'failure' : ''} ${unused ? 'unused' : ''} ${chosen ? 'chosen' : ''} ${lit ? 'near' : ''}`}
      onClick={() => navigate(flowRoute(connection.flow, { kind: 'connection', from, relationship, to }))}
    >
      <title>
        {`${from} → ${to} (${relationship})\n${count(queued)} queued, ${percent(fullness)} full` +
          (held > 0 ? `, ${count(held)} held` : '') +
          `\n${rate(passing)} FlowFiles`}
      </title>
      <path class="hit" d={shape.path} />
      <path class="line" d={shape.path} style={{ strokeWidth: `${width}px` }} />
      <path
        class="tip"
        d={`M0,0L${-size * 1.3},${-size * 0.6}L${-size * 1.3},${size * 0.6}Z`}
        transform={`translate(${shape.tip.x} ${shape.tip.y}) rotate(${shape.angle})`}
      />
      {(named || queued > 0) && (
        <text x={shape.label.x} y={shape.label.y - 4 - width / 2}>
          {named && <tspan class="name">{relationship}</tspan>}
          {queued > 0 && <tspan class="queued">{`${named ? ' ' : ''}${count(queued)}`}</tspan>}
        </text>
      )}
    </g>
  );
});
