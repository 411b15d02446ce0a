import { describe, expect, it } from 'vitest';
import { lineBounds, lineCount, problemBounds } from '../src/model/edit';

describe('a place in a text', () => {
  const text = 'flow: a\nprocessors:\n  ü: {typ: 1}\n';

  it('is found by its line', () => {
    expect(text.slice(...lineBounds(text, 1))).toBe('flow: a');
    expect(text.slice(...lineBounds(text, 3))).toBe('  ü: {typ: 1}');
    expect(lineBounds(text, 99)).toEqual([text.length, text.length]);
    expect(lineCount(text)).toBe(4);
  });

  it('is found by line and column, whatever characters stand before it', () => {
    expect(text.slice(...problemBounds(text, 3, 7, 3))).toBe('typ');
    const emoji = '🌡🌡: bad';
    expect(emoji.slice(...problemBounds(emoji, 1, 5, 3))).toBe('bad');
    expect(problemBounds(text, 1, 99, 4)).toEqual([7, 7]);
  });
});
