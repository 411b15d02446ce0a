// Finding a processor or a connection by what one remembers of its name.

export interface Candidate {
  title: string;
  detail: string;
  href: string;
}

/** How well `text` answers `query`, 0: not at all. Its start counts most, then a word's start, then any place. */
export function score(query: string, text: string): number {
  const wanted = query.trim().toLowerCase();
  const given = text.toLowerCase();
  if (wanted === '') return 1;
  const at = given.indexOf(wanted);
  if (at === 0) return given.length === wanted.length ? 5 : 4;
  if (at > 0) return /[^a-z0-9]/.test(given.charAt(at - 1)) ? 3 : 2;
  let found = 0;
  for (const letter of given) {
    if (letter === wanted[found]) ++found;
  }
  return found === wanted.length ? 1 : 0;
}

/** Those that answer every word of `query`, best first. */
export function search<T extends Candidate>(query: string, candidates: readonly T[], most: number = 12): T[] {
  const words = query.split(/\s+/).filter(word => word !== '');
  return candidates
    .map(candidate => {
      let sum = 0;
      for (const word of words) {
        const best = Math.max(2 * score(word, candidate.title), score(word, candidate.detail));
        if (best === 0) return { candidate, sum: -1 };
        sum += best;
      }
      return { candidate, sum };
    })
    .filter(({ sum }) => sum >= 0)
    .sort((a, b) => b.sum - a.sum)
    .slice(0, most)
    .map(({ candidate }) => candidate);
}
