import { describe, expect, it } from 'vitest';
import { Counter, Series } from '../src/model/series';
import { sparkPath } from '../src/parts/sparkline';

describe('a series', () => {
  it('keeps the latest samples, oldest first', () => {
    const series = new Series(3);
    for (let i = 1; i <= 5; ++i) series.push(i * 1000, i);
    expect(series.length).toBe(3);
    expect([0, 1, 2].map(i => series.value(i))).toEqual([3, 4, 5]);
    expect(series.last).toBe(5);
  });

  it('takes one sample for one time, and none of the past', () => {
    const series = new Series(3);
    series.push(1000, 1);
    series.push(1000, 2);
    series.push(500, 9);
    expect(series.length).toBe(1);
    expect(series.last).toBe(2);
  });
});

describe('a counter', () => {
  it('has no rate before there are two samples', () => {
    const counter = new Counter();
    expect(counter.rate()).toBeNull();
    counter.push(0, 100);
    expect(counter.rate()).toBeNull();
  });

  it('has the rate of the latest seconds, not of all that it saw', () => {
    const counter = new Counter();
    for (let second = 0; second <= 20; ++second) counter.push(second * 1000, second <= 10 ? second * 100 : 1000);
    expect(counter.rate(5)).toBe(0);
    expect(counter.rate(20)).toBe(50);
    expect(counter.grown(12)).toBe(200);
  });

  it('spans at least two samples, however far apart they are', () => {
    const counter = new Counter();
    counter.push(0, 0);
    counter.push(60_000, 120);
    expect(counter.rate(5)).toBe(2);
  });

  it('begins anew when the process behind it has', () => {
    const counter = new Counter();
    counter.push(0, 1_000_000);
    counter.push(1000, 1_000_100);
    counter.push(2000, 7);
    expect(counter.rate()).toBeNull();
    counter.push(3000, 17);
    expect(counter.rate()).toBe(10);
    expect(counter.rates.length).toBe(1);
  });
});

describe('a sparkline', () => {
  it('ends at the right edge, and its greatest value touches the top', () => {
    const series = new Series();
    series.push(0, 0);
    series.push(60_000, 10);
    expect(sparkPath(series, 100, 20).line).toBe('M50,19L100,1');
  });

  it('of zeros is a line at the bottom; of one sample it is nothing', () => {
    const series = new Series();
    series.push(0, 0);
    expect(sparkPath(series, 100, 20).line).toBe('');
    series.push(120_000, 0);
    expect(sparkPath(series, 100, 20).line).toBe('M0,19L100,19');
  });
});
