import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { theme } from '../app';
import { withGaps, type Line } from '../model/gaps';

/** What a step of the time axis may be, in seconds: no less than what one point is of. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720].map(minutes => 60 * minutes);

/** Lines over the last day; `format` gives the values their unit. */
export function Chart(props: {
  label: string;
  times: number[];
  lines: Line[];
  format: (value: number | null) => string;
  most?: number;
}) {
  const box = useRef<HTMLDivElement>(null);
  const chosen = theme.value;
  const { label, times, lines, format, most } = props;
  const key = JSON.stringify([times.length, times.at(-1), lines.map(({ values }) => values.at(-1))]);
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const style = getComputedStyle(element);
    const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
    const axis = {
      stroke: colour('text-2'),
      grid: { stroke: colour('line'), width: 1 },
      ticks: { show: false },
      font: '11px system-ui, sans-serif',
    };
    const plot = new uPlot(
      {
        width: element.clientWidth,
        height: element.clientHeight,
        legend: { show: false },
        cursor: { drag: { x: false, y: false }, points: { size: 5 } },
        scales: { y: { range: (_, __, high) => [0, most ?? (high > 0 ? high * 1.05 : 1)] } },
        axes: [
          { ...axis, values: '{HH}:{mm}', size: 24, space: 60, incrs: STEPS },
          { ...axis, values: (_, splits) => splits.map(format), size: 62, space: 34 },
        ],
        series: [
          {},
          ...lines.map(line => ({
            label: line.name,
            stroke: colour(line.tone),
            width: 1.5,
            points: { show: times.length < 3 },
          })),
        ],
      },
      withGaps(times, lines),
      element,
    );
    const observer = new ResizeObserver(() =>
      plot.setSize({ width: element.clientWidth, height: element.clientHeight }),
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [key, chosen]);
  return (
    <figure class="chart">
      <figcaption>
        {lines.map(line => (
          <span key={line.name} class={`key ${line.tone}`}>
            {line.name}
          </span>
        ))}
      </figcaption>
      <div class="chart-box" ref={box} role="img" aria-label={label} />
    </figure>
  );
}
