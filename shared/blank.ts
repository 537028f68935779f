/** A sentence without what differs each time that it is said: what is quoted, ids, numbers and times. Pure. */

export const BLANK = '#';
/** What is quoted was found in a message. */
const QUOTED = /"(?:[^"\\]|\\.)*"?/g;
/** A word with a digit in it: an id, a number, a time. */
const NUMBERED = /[A-Za-z0-9_@:/.-]*\d[A-Za-z0-9_@:/-]*/g;
const WORD = /[A-Za-z0-9_-]+/g;

/** `ids`: words that are ids although they have no digit. */
export const blank = (text: string, ids: ReadonlySet<string>): string =>
  text
    .replace(QUOTED, BLANK)
    .replace(NUMBERED, BLANK)
    .replace(WORD, (word) => (ids.has(word) ? BLANK : word));
