/** The name that was probably meant, for "did you mean". */

/** More edits than this make another word, and so do edits of more than half of it. */
const EDITS_MAX = 2;
/** No field has a longer name. */
const NAME_LENGTH_MAX = 32;

/** The known name that is the same but for case, `_` and `-` (`reply_to`), or else within two edits; undefined when none is. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  if (name.length > NAME_LENGTH_MAX) return undefined;
  const plain = plainly(name);
  const [best] = known
    .map((candidate) => ({ candidate, distance: edits(plain, plainly(candidate)) }))
    .filter(
      ({ candidate, distance }) =>
        distance <= Math.min(EDITS_MAX, Math.floor(candidate.length / 2), Math.floor(name.length / 2)),
    )
    .sort((a, b) => a.distance - b.distance);
  return best?.candidate;
}

function plainly(name: string): string {
  return name.toLowerCase().replace(/[_-]/g, '');
}

/** Levenshtein's distance. */
function edits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
