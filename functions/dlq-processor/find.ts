/** Finds letters by a filter, a stretch at a time: a place says where the next one begins. Reads only. */
import type { Reader } from '#shared/entity/reader.ts';
import { codeLookup, days, type Filter, groupLookup, type Letter, letterKind, matches, subjectLookup } from './letter.ts';

const PAGE = 100;
/** Letters that are looked at in one go, so that a rare match among many does not take for ever. */
const MAX_LOOKED_AT = 2000;
const LONGEST_KEPT_MS = 91 * 24 * 3_600_000;

/** `<lookup value>/<letter id>`, after which the search goes on. */
export type Place = string;

export type Found = {
  letters: { id: string; letter: Letter; place: Place }[];
  /** Where the next stretch begins; null: there is no more. */
  next: Place | null;
};

/** The values under which all letters of a filter are found: one where there is a selective one, else the days. */
const valuesOf = ({ group, subject, reason, since, until }: Filter, now: number): string[] => {
  if (group !== undefined) return [groupLookup(group)];
  if (subject !== undefined && !/(^|\.)[*>](\.|$)/.test(subject)) return [subjectLookup(subject)];
  if (reason !== undefined) return [codeLookup(reason)];
  const last = until === undefined ? now : Math.min(Date.parse(until), now);
  const first = since === undefined ? now - LONGEST_KEPT_MS : Math.max(Date.parse(since), now - LONGEST_KEPT_MS);
  return days(last, first);
};

const placeOf = (value: string, id: string): Place => `${value}/${id}`;

/** The values that are still to be looked at, and the id after which the first of them goes on. */
const remaining = (values: string[], from: Place | undefined): { values: string[]; after?: string } => {
  if (from === undefined) return { values };
  const at = from.lastIndexOf('/');
  const index = values.indexOf(from.slice(0, at));
  return index < 0 ? { values } : { values: values.slice(index), after: from.slice(at + 1) };
};

/** At most `limit` letters of the filter. `now` is the time of the request: what came later is of no concern to it. */
export const findLetters = async (
  reader: Reader,
  filter: Filter,
  { now, limit, from }: { now: number; limit: number; from?: Place | undefined },
): Promise<Found> => {
  if (filter.id !== undefined) {
    const letter = (await reader.load(letterKind, [filter.id])).get(filter.id);
    const found = letter && matches(filter.id, letter, filter, now) ? [{ id: filter.id, letter, place: placeOf('id', filter.id) }] : [];
    return { letters: from === undefined ? found : [], next: null };
  }
  const letters: Found['letters'] = [];
  const { values, after: first } = remaining(valuesOf(filter, now), from);
  let after = first;
  let lookedAt = 0;
  for (const value of values) {
    for (let isLast = false; !isLast; ) {
      const ids = await reader.lookup(letterKind, value, { limit: PAGE, ...(after !== undefined && { after }) });
      const states = await reader.load(letterKind, ids);
      for (const id of ids) {
        const letter = states.get(id);
        if (!letter || !matches(id, letter, filter, now)) continue;
        letters.push({ id, letter, place: placeOf(value, id) });
        if (letters.length >= limit) return { letters, next: placeOf(value, id) };
      }
      isLast = ids.length < PAGE;
      after = ids.at(-1);
      lookedAt += ids.length;
      if (after !== undefined && !isLast && lookedAt >= MAX_LOOKED_AT) return { letters, next: placeOf(value, after) };
    }
    after = undefined;
  }
  return { letters, next: null };
};
