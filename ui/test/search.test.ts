import { expect, it } from 'vitest';
import { score, search } from '../src/model/search';

const places = ['dead_letters', 'dead_letter_archive', 'archive', 'means', 'mean_history'].map(title => ({
  title,
  detail: title === 'means' ? 'WindowMean' : 'FileSink',
  href: title,
}));
const found = (query: string) => search(query, places).map(({ title }) => title);

it('a name is found by its start first, then by a word of it, then by any part', () => {
  expect(found('archive')).toEqual(['archive', 'dead_letter_archive']);
  expect(score('mean', 'means')).toBeGreaterThan(score('mean', 'a_mean'));
  expect(score('mean', 'a_mean')).toBeGreaterThan(score('mean', 'xmean'));
});

it('all words count, and the type is found, too', () => {
  expect(found('dead arch')).toEqual(['dead_letter_archive']);
  expect(found('window')).toEqual(['means']);
  expect(found('nothing like it')).toEqual([]);
});

it('without a query everything is there', () => {
  expect(found('')).toHaveLength(5);
});
