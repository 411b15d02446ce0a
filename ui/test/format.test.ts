import { describe, expect, it } from 'vitest';
import {
  ago,
  byteRate,
  bytes,
  clock,
  count,
  duration,
  fromLocal,
  percent,
  plural,
  rate,
  toLocal,
  UNKNOWN,
} from '../src/model/format';

/** As a reader sees it: the narrow space is a space. */
const seen = (text: string) => text.replaceAll('\u202f', ' ');

describe('numbers', () => {
  it.each([
    [0, '0'],
    [999, '999'],
    [12345, '12,345'],
    [1_234_567, '1.23 M'],
    [56_000_000, '56 M'],
    [7_890_000_000, '7.89 G'],
    [NaN, UNKNOWN],
  ])('a count of %s is %s', (value, text) => expect(seen(count(value))).toBe(text));

  it.each([
    [null, UNKNOWN],
    [0, '0/s'],
    [0.001, '<0.1/min'],
    [0.02, '1.2/min'],
    [0.5, '0.5/s'],
    [12.34, '12.3/s'],
    [99.6, '100/s'],
    [998, '998/s'],
    [1234, '1.23 k/s'],
    [999_900, '1.00 M/s'],
  ])('a rate of %s a second is %s', (value, text) => expect(seen(rate(value))).toBe(text));

  it.each([
    [0, '0 B'],
    [0.3, '<1 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [16 * 1024 ** 2, '16.0 MiB'],
    [5.5 * 1024 ** 3, '5.50 GiB'],
    [null, UNKNOWN],
  ])('%s bytes are %s', (value, text) => expect(seen(bytes(value))).toBe(text));

  it('a rate of bytes has both units', () => {
    expect(seen(byteRate(2048))).toBe('2 KiB/s');
    expect(byteRate(null)).toBe(UNKNOWN);
  });

  it.each([
    [0, '0%'],
    [0.0004, '<0.1%'],
    [0.003, '0.3%'],
    [0.02, '2%'],
    [0.5, '50%'],
    [0.999, '99%'],
    [1, '100%'],
  ])('a share of %s is %s: what is not full is never 100%%', (value, text) => expect(percent(value)).toBe(text));

  it('one thing is not many', () => {
    expect(plural(1, 'FlowFile')).toBe('1 FlowFile');
    expect(plural(2000, 'entry', 'entries')).toBe('2,000 entries');
  });
});

describe('times', () => {
  it.each([
    [0, '0 s'],
    [0.00025, '250 µs'],
    [0.012, '12 ms'],
    [1.25, '1.3 s'],
    [42, '42 s'],
    [60, '1 min'],
    [184, '3 min 4 s'],
    [7500, '2 h 5 min'],
    [273_600, '3 d 4 h'],
    [null, UNKNOWN],
  ])('%s seconds are %s', (value, text) => expect(seen(duration(value))).toBe(text));

  it('clocks that differ a little make no future', () => {
    expect(ago(10_000, 9_000)).toBe('now');
    expect(seen(ago(10_000, 75_000))).toBe('1 min 5 s ago');
  });

  it('another day is named', () => {
    const now = new Date(2026, 10, 21, 12, 0, 0).getTime();
    expect(clock(new Date(2026, 10, 21, 8, 5, 9).getTime(), now)).toBe('08:05:09');
    expect(clock(new Date(2026, 10, 20, 8, 5, 9).getTime(), now)).toBe('2026-11-20 08:05:09');
    expect(clock('no time', now)).toBe(UNKNOWN);
  });
  it('go into an input and come back as they were, in any zone', () => {
    const time = new Date(2026, 10, 21, 8, 5, 9);
    expect(toLocal(time.toISOString())).toBe('2026-11-21T08:05:09');
    expect(fromLocal('2026-11-21T08:05:09')).toBe(time.toISOString());
    expect(fromLocal('2026-11-21T08:05')).toBe(new Date(2026, 10, 21, 8, 5).toISOString());
    for (const none of ['', 'soon']) expect([toLocal(none), fromLocal(none)]).toEqual(['', '']);
  });
});
