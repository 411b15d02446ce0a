// Of a text that is being edited: where a place in it is.

/** The offsets of the line's begin and end, without its line feed; lines count from 1. */
export function lineBounds(text: string, line: number): [number, number] {
  let begin = 0;
  for (let i = 1; i < line; ++i) {
    const end = text.indexOf('\n', begin);
    if (end < 0) return [text.length, text.length];
    begin = end + 1;
  }
  const end = text.indexOf('\n', begin);
  return [begin, end < 0 ? text.length : end];
}

/** Where a problem stands: lines and columns count from 1, columns in characters and not in UTF-16. */
export function problemBounds(text: string, line: number, column: number, length: number): [number, number] {
  const [begin, end] = lineBounds(text, line);
  const characters = [...text.slice(begin, end)];
  const before = characters.slice(0, column - 1).join('').length;
  const inside = characters.slice(column - 1, column - 1 + Math.max(1, length)).join('').length;
  return [begin + before, begin + before + inside];
}

/** The number of lines, as an editor counts them. */
export function lineCount(text: string): number {
  return text.split('\n').length;
}
