import type { Series } from '../model/series';
import { WINDOW } from '../model/store';

interface Shape {
  line: string;
  area: string;
}

/** The latest WINDOW seconds of a series as paths in a box of this size; its greatest value touches the top. */
export function sparkPath(series: Series, width: number, height: number, most: number = 0): Shape {
  const last = series.length - 1;
  if (last < 1) return { line: '', area: '' };
  let top = most;
  for (let i = 0; i <= last; ++i) top = Math.max(top, series.value(i));
  const end = series.time(last);
  const at = (value: number) => Math.round(value * 10) / 10;
  const x = (i: number) => at(width * (1 - (end - series.time(i)) / (WINDOW * 1000)));
  const y = (i: number) => at(height - 1 - (top <= 0 ? 0 : (series.value(i) / top) * (height - 2)));
  let line = '';
  let first = -1;
  for (let i = 0; i <= last; ++i) {
    if (x(i) < 0) continue;
    if (first < 0) first = i;
    line += `${line === '' ? 'M' : 'L'}${x(i)},${y(i)}`;
  }
  return { line, area: `${line}L${width},${height}L${x(first)},${height}Z` };
}

export function Sparkline(props: { series: Series; width: number; height: number; most?: number; tone?: string }) {
  const { line, area } = sparkPath(props.series, props.width, props.height, props.most);
  return (
    <svg
      class={`spark ${props.tone ?? ''}`}
      viewBox={`0 0 ${props.width} ${props.height}`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      {line !== '' && <path class="area" d={area} />}
      {line !== '' && <path class="line" d={line} />}
    </svg>
  );
}
