/** "Did you mean": which known name a word is spelled like, as Python's difflib tells it. */

import { quoted } from "./text.js";

// How many names an error compares, so that a row of thousands of names is refused at once too.
const COMPARED = 50;

/**
 * `; 'mas' is not a feature; did you mean 'mass'?` for the first name that is spelled like one of `absent`.
 *
 * @param given names that are not features.
 * @param absent features that are absent.
 * @returns the empty string if no name is spelled like a feature.
 */
export function misspelt(given: readonly string[], absent: readonly string[]): string {
  for (const name of given.slice(0, COMPARED)) {
    const meant = suggestion(name, absent.slice(0, COMPARED));
    if (meant) return `; ${quoted(name)} is not a feature${meant}`;
  }
  return "";
}

/** `; did you mean 'species'?` if one of `known` is spelled like `word`, else the empty string. */
export function suggestion(word: string, known: readonly string[]): string {
  // In the same case, as Python folds it, without the dashes that all options begin with.
  const plain = (name: string): string => name.toLowerCase().replaceAll("ß", "ss").replace(/^-+/, "");
  const meant = [...plain(word)];
  // Few characters may be wrong, in long words too: those that only end alike are not meant for each other.
  let best = Math.max(0.6, 1 - 4 / Math.max(meant.length, 1));
  let found: [string, string] | undefined;
  for (const [spelling, name] of new Map(known.map((one) => [plain(one), one]))) {
    const alike = ratio([...spelling], meant);
    // Of several that are as close, the last in the order of the alphabet.
    if (alike > best || (alike === best && (found === undefined || spelling > found[0]))) {
      [best, found] = [alike, [spelling, name]];
    }
  }
  return found === undefined ? "" : `; did you mean ${quoted(found[1])}?`;
}

/** How alike two words are, from 0 to 1: twice the characters of their matching parts by those of both. */
function ratio(one: readonly string[], other: readonly string[]): number {
  const all = one.length + other.length;
  if (all === 0) return 1;
  let matches = 0;
  const left: [number, number, number, number][] = [[0, one.length, 0, other.length]];
  while (left.length > 0) {
    const [start, end, otherStart, otherEnd] = left.pop()!;
    const [at, otherAt, size] = longest(one, start, end, other, otherStart, otherEnd);
    if (size === 0) continue;
    matches += size;
    left.push([start, at, otherStart, otherAt], [at + size, end, otherAt + size, otherEnd]);
  }
  return (2 * matches) / all;
}

/** The longest part that both have, the earliest of several: where it is in each, and its length. */
function longest(
  one: readonly string[],
  start: number,
  end: number,
  other: readonly string[],
  otherStart: number,
  otherEnd: number,
): [number, number, number] {
  let best: [number, number, number] = [start, otherStart, 0];
  let before: number[] = [];
  for (let at = start; at < end; at += 1) {
    const sizes: number[] = [];
    for (let place = otherStart; place < otherEnd; place += 1) {
      if (one[at] !== other[place]) continue;
      const size = (before[place - 1] ?? 0) + 1;
      sizes[place] = size;
      if (size > best[2]) best = [at - size + 1, place - size + 1, size];
    }
    before = sizes;
  }
  return best;
}
