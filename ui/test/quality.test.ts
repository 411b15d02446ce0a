import { describe, expect, it } from 'vitest';
import { layoutOrigins } from '../src/model/origins';
import { linesOf, precise, toneOf, trendPath } from '../src/model/quality';
import { formatRoute, parseRoute, toDataset, toQuality } from '../src/model/route';

describe('a trend', () => {
  it('has full at the top and nothing at the bottom', () => {
    expect(trendPath([1, 0], 100, 20)).toBe('M0,1L100,19');
  });
  it('leaves a gap where nothing was checked', () => {
    expect(trendPath([1, 1, null, 0, 0], 100, 20)).toBe('M0,1L25,1M75,19L100,19');
  });
  it('shows a value that stands alone', () => {
    expect(trendPath([null, 1, null], 100, 20)).toBe('M48.5,1L51.5,1');
  });
  it('is nothing of one value', () => {
    expect(trendPath([1], 100, 20)).toBe('');
  });
});

describe('a share of good records', () => {
  it('is 100% only if it is', () => {
    expect(precise(1)).toBe('100%');
    expect(precise(0.99999)).toBe('99.999%');
    expect(precise(0.9991)).toBe('99.91%');
    expect(precise(0.995)).toBe('99.5%');
    expect(precise(0.0012)).toBe('0.12%');
    expect(precise(0)).toBe('0%');
    expect(precise(null)).toBe('–');
  });
  it('is good, flawed or bad in a word', () => {
    expect([1, 0.99, 0.95, 0.5, null].map(toneOf)).toEqual(['good', 'good', 'warn', 'bad', 'off']);
  });
});

describe('a course over time', () => {
  it('counts empty records as failed, a second', () => {
    const { times, flagged } = linesOf({
      interval_seconds: 60,
      times: ['2026-01-01T00:00:00Z'],
      pass: [120],
      suspect: [60],
      fail: [30],
      missing: [30],
    });
    expect(times).toEqual([1767225600]);
    expect(flagged).toEqual({ pass: [2], suspect: [1], fail: [1] });
  });
});

describe('the way to a dataset', () => {
  it('goes from its sources at the left to it at the right', () => {
    const drawn = layoutOrigins({
      processor: 'table',
      origins: [{ processor: 'in', type: '', kind: '', name: '', location: '', description: '' }],
      steps: [
        { from: 'in', relationship: 'success', to: 'check' },
        { from: 'check', relationship: 'pass', to: 'table' },
        { from: 'check', relationship: 'suspect', to: 'table' },
      ],
    });
    const at = (name: string) => drawn.steps.find(step => step.name === name);
    expect(at('in')?.role).toBe('source');
    expect(at('table')?.role).toBe('dataset');
    expect(at('in')!.x).toBeLessThan(at('check')!.x);
    expect(at('check')!.x).toBeLessThan(at('table')!.x);
    expect(drawn.paths).toHaveLength(2);
  });
  it('is the dataset alone where nothing leads to it', () => {
    const drawn = layoutOrigins({ processor: 'table', origins: [], steps: [] });
    expect(drawn.steps).toHaveLength(1);
  });
});

describe('an address', () => {
  it('leads back to a dataset and a key, whatever they are called', () => {
    const dataset = { view: 'dataset', flow: 'a/b', processor: '<c>' } as const;
    expect(parseRoute(formatRoute(dataset))).toEqual(dataset);
    expect(toDataset('a', 'b')).toBe('#/data/a/b');
    expect(parseRoute('#/data')).toEqual({ view: 'data' });
    const place = parseRoute(toQuality({ processor: 'f/p', key: 'a&b=<c>' }));
    expect(place.view).toBe('quality');
    expect(place.view === 'quality' && new URLSearchParams(place.search).get('key')).toBe('a&b=<c>');
  });
});
