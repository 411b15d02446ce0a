// FlowFiles by name: CONNECTION:SEQUENCE, and runs of them as [first, count].
import type { Interval } from './types';

export function nameOf(connection: string, sequence: number): string {
  return `${connection}:${sequence}`;
}

/** Nothing if it is no FlowFile's name. */
export function parseName(flowfile: string): { connection: string; sequence: number } | null {
  const found = /^(.+):(\d+)$/s.exec(flowfile);
  return found === null ? null : { connection: found[1] ?? '', sequence: Number(found[2]) };
}

/** The first `most` sequence numbers of the runs, in order. */
export function sequences(intervals: readonly Interval[], most: number): number[] {
  const list: number[] = [];
  for (const [first, count] of intervals) {
    for (let i = 0; i < count && list.length < most; ++i) list.push(first + i);
  }
  return list;
}

export function size(intervals: readonly Interval[]): number {
  return intervals.reduce((sum, [, count]) => sum + count, 0);
}

/** "17", "17–19", "17–19, 25". */
export function describe(intervals: readonly Interval[], most: number = 3): string {
  const parts = intervals
    .slice(0, most)
    .map(([first, count]) => (count === 1 ? `${first}` : `${first}–${first + count - 1}`));
  return parts.join(', ') + (intervals.length > most ? ', …' : '');
}

/** In order, and as few as say the same. */
export function merge(intervals: readonly Interval[]): Interval[] {
  const merged: Interval[] = [];
  for (const [first, count] of [...intervals].sort((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last !== undefined && first <= last[0] + last[1]) last[1] = Math.max(last[1], first + count - last[0]);
    else merged.push([first, count]);
  }
  return merged;
}
