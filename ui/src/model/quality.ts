// What the Quality view draws.
import type { QualityDetail } from './types';

/** Shares of good records, oldest first, as a line in a box; intervals without a record leave a gap. */
export function trendPath(shares: readonly (number | null)[], width: number, height: number): string {
  if (shares.length < 2) return '';
  const at = (value: number) => Math.round(value * 10) / 10;
  let path = '';
  let drawing = false;
  shares.forEach((share, index) => {
    if (share === null) {
      drawing = false;
      return;
    }
    const x = at((width * index) / (shares.length - 1));
    const y = at(1 + (1 - share) * (height - 2));
    // A value with nothing beside it is a short dash, or nobody would see it.
    const alone = !drawing && (shares[index + 1] ?? null) === null;
    path += alone ? `M${at(x - 1.5)},${y}L${at(x + 1.5)},${y}` : `${drawing ? 'L' : 'M'}${x},${y}`;
    drawing = true;
  });
  return path;
}

export type Tone = 'good' | 'warn' | 'bad' | 'off';

/** How good something is, for its colour. */
export function toneOf(good: number | null): Tone {
  if (good === null) return 'off';
  if (good >= 0.99) return 'good';
  return good >= 0.9 ? 'warn' : 'bad';
}

/** A share, shown so that 99.96% is not 100%. */
export function precise(share: number | null): string {
  if (share === null) return '–';
  const value = share * 100;
  if (value === 100 || value === 0) return `${value}%`;
  if (value > 99.9) return `${Math.floor(value * 1000) / 1000}%`;
  return `${value >= 10 ? value.toFixed(1) : value.toFixed(2)}%`;
}

/** Records of each verdict a second, for the chart. */
export function linesOf(series: QualityDetail['series']): { times: number[]; flagged: Record<string, number[]> } {
  const rate = (values: number[]) => values.map(value => value / series.interval_seconds);
  return {
    times: series.times.map(time => Date.parse(time) / 1000),
    flagged: {
      pass: rate(series.pass),
      suspect: rate(series.suspect),
      fail: rate(series.fail.map((value, at) => value + (series.missing[at] ?? 0))),
    },
  };
}
