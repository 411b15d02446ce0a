// Lines over time, with holes where nothing was measured.
export interface Line {
  name: string;
  values: (number | null)[];
  tone: 'accent' | 'text-2' | 'bad' | 'warn-line';
}

const MINUTE = 60;

/** A gap where minutes are missing: Weir did not run then, and a line over it would be a lie. */
export function withGaps(times: readonly number[], lines: readonly Line[]): [number[], ...(number | null)[][]] {
  const xs: number[] = [];
  const columns: (number | null)[][] = lines.map(() => []);
  times.forEach((time, index) => {
    const before = times[index - 1];
    if (before !== undefined && time - before > 1.5 * MINUTE) {
      xs.push(before + MINUTE);
      for (const column of columns) column.push(null);
    }
    xs.push(time);
    lines.forEach((line, at) => columns[at]?.push(line.values[index] ?? null));
  });
  return [xs, ...columns];
}
