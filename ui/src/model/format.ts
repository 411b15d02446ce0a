// Numbers for people: always with their unit, of a width that does not jump, and honest about what is not known.

/** Between a number and its unit: narrow, and no place to break a line. */
const SPACE = '\u202f';
export const UNKNOWN = '–';

const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** Three significant digits: 0.12, 1.23, 12.3, 123. */
function significant(value: number): string {
  const size = Math.abs(value);
  if (size >= 99.95) return grouped.format(value);
  return value.toFixed(size >= 9.995 ? 1 : 2);
}

function scaled(value: number, base: number, units: readonly string[]): [string, string] {
  let at = 0;
  while (Math.abs(value) >= (base === 1000 ? 999.5 : base) && at < units.length - 1) {
    value /= base;
    ++at;
  }
  return [at === 0 ? significant(value).replace(/\.?0+$/, '') : significant(value), units[at] ?? ''];
}

/** 12,345 up to a million, then 1.23 M. */
export function count(value: number): string {
  if (!Number.isFinite(value)) return UNKNOWN;
  if (Math.abs(value) < 1e6) return grouped.format(value);
  const [number, unit] = scaled(value / 1e6, 1000, ['M', 'G', 'T']);
  return number + SPACE + unit;
}

/** Of things a second: 0/s, 3/min, 12.3/s, 1.23 k/s. Nothing measured yet is a dash. */
export function rate(perSecond: number | null): string {
  if (perSecond === null || !Number.isFinite(perSecond)) return UNKNOWN;
  if (perSecond === 0) return '0/s';
  if (perSecond < 0.1) return perSecond * 60 < 0.1 ? '<0.1/min' : `${trimmed(perSecond * 60)}/min`;
  if (perSecond < 999.5) return `${trimmed(perSecond)}/s`;
  const [number, unit] = scaled(perSecond / 1000, 1000, ['k', 'M', 'G']);
  return `${number}${SPACE}${unit}/s`;
}

function trimmed(value: number): string {
  return value >= 99.5 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, '');
}

export function bytes(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return UNKNOWN;
  if (value > 0 && value < 1) return `<1${SPACE}B`;
  if (value < 1024) return `${Math.round(value)}${SPACE}B`;
  const [number, unit] = scaled(value / 1024, 1024, ['KiB', 'MiB', 'GiB', 'TiB']);
  return number + SPACE + unit;
}

export function byteRate(perSecond: number | null): string {
  return perSecond === null ? UNKNOWN : `${bytes(perSecond)}/s`;
}

/** A share of 1: 0%, 0.3%, 12%, 100%. */
export function percent(share: number | null): string {
  if (share === null || !Number.isFinite(share)) return UNKNOWN;
  const value = share * 100;
  if (value === 0) return '0%';
  if (value < 0.1) return '<0.1%';
  return `${value < 9.95 ? value.toFixed(1).replace(/\.0$/, '') : Math.floor(value + 1e-9)}%`;
}

/** 250 µs, 12 ms, 1.2 s, 3 min 4 s, 2 h 5 min, 3 d 4 h. */
export function duration(seconds: number | null): string {
  if (seconds === null || !Number.isFinite(seconds)) return UNKNOWN;
  if (seconds < 0) seconds = 0;
  if (seconds === 0) return `0${SPACE}s`;
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)}${SPACE}µs`;
  if (seconds < 0.9995) return `${trimmed(seconds * 1000)}${SPACE}ms`;
  if (seconds < 59.5)
    return `${seconds < 9.95 ? seconds.toFixed(1).replace(/\.0$/, '') : Math.round(seconds)}${SPACE}s`;
  const whole = Math.round(seconds);
  const parts: [number, string][] = [
    [Math.floor(whole / 86400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  return parts
    .slice(first, first + 2)
    .filter(([amount], at) => at === 0 || amount > 0)
    .map(([amount, unit]) => `${amount}${SPACE}${unit}`)
    .join(' ');
}

/** How long ago `time` was; both in milliseconds since 1970. Clocks that differ a little make no future. */
export function ago(time: number, now: number): string {
  const seconds = (now - time) / 1000;
  if (seconds < 1.5) return 'now';
  return `${duration(Math.floor(seconds))} ago`;
}

/** HH:MM:SS of today; with the date if it is another day. */
export function clock(time: string | number, now: number = Date.now()): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return UNKNOWN;
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const today = new Date(now);
  const same = date.toDateString() === today.toDateString();
  return same ? hours : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${hours}`;
}

/** "1 FlowFile", "2 FlowFiles". */
export function plural(amount: number, one: string, many: string = `${one}s`): string {
  return `${count(amount)} ${amount === 1 ? one : many}`;
}

/** A time as the API has it, for an input of the type datetime-local: in the reader's zone, in whole seconds. */
export function toLocal(time: string | undefined): string {
  const date = new Date(time ?? '');
  if (Number.isNaN(date.getTime())) return '';
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** And back; empty for what is no time (yet). */
export function fromLocal(value: string): string {
  const date = new Date(value); // without a zone it is local
  return value === '' || Number.isNaN(date.getTime()) ? '' : date.toISOString();
}
