/** The known name that a misspelt one probably means, for "did you mean": fields, YAML and environment variables. */
import { distance } from 'fastest-levenshtein';

/** More edits than this make another word, and so do edits of half of it. */
const EDITS_MAX = 2;
/** No known name is longer; an absurdly long one is not compared. */
const NAME_LENGTH_MAX = 64;

/**
 * The known name that differs only in case, `_` and `-` (`reply_to`), or else the nearest one within two edits;
 * undefined when no name is that near.
 */
export function didYouMean(name: string, known: readonly string[]): string | undefined {
  if (name.length > NAME_LENGTH_MAX) return undefined;
  const plain = withoutStyle(name);
  const [best] = known
    .map((candidate) => ({ candidate, edits: distance(plain, withoutStyle(candidate)) }))
    .filter(({ candidate, edits }) => edits <= EDITS_MAX && edits < Math.min(candidate.length, name.length) / 2)
    .sort((a, b) => a.edits - b.edits);
  return best?.candidate;
}

function withoutStyle(name: string): string {
  return name.toLowerCase().replace(/[_-]/g, '');
}
