/**
 * EventBridge event patterns, compiled once to a function: every field that the pattern names must match, a field matches
 * when one value of its list does, and of an array in the event one element is enough. The same element must then match
 * all that a nested pattern names.
 */
import { isObject } from '#shared/messages/opaque.ts';
import { compileOperator, isValue, type Say, type Test, type Value } from './event-pattern-values.ts';

export type Pattern = Record<string, unknown>;

/** `path` leads to the place in the pattern. */
export type Mistake = { path: readonly string[]; message: string };

export class PatternError extends Error {
  override name = 'PatternError';
  readonly mistakes: readonly Mistake[];
  constructor(mistakes: readonly Mistake[]) {
    super(mistakes.map(({ path, message }) => `${path.join('.') || 'the pattern'}: ${message}`).join('; '));
    this.mistakes = mistakes;
  }
}

/** `value`: what the event has at this place; `event`: all of it. */
type Matcher = (value: unknown, event: unknown) => boolean;

/** `path` in the pattern, `keys` in the event. */
type Place = { path: readonly string[]; keys: readonly string[]; say: Say };

const within = ({ path, keys, say }: Place, key: string): Place => ({ path: [...path, key], keys: [...keys, key], say });

/** Has the event a value there, in whichever elements of its arrays? An object, an empty array and an empty object are none. */
const hasValue = (event: unknown, keys: readonly string[], depth = 0): boolean => {
  if (Array.isArray(event)) return event.some((element) => hasValue(element, keys, depth));
  const key = keys[depth];
  if (key === undefined) return isValue(event);
  return isObject(event) && Object.hasOwn(event, key) && hasValue(event[key], keys, depth + 1);
};

const someValue = (value: unknown, test: Test): boolean => {
  if (!Array.isArray(value)) return isValue(value) && test(value);
  for (const element of value) if (someValue(element, test)) return true;
  return false;
};

const isAbsence = (item: unknown): boolean => isObject(item) && item.exists === false && Object.keys(item).length === 1;

const compileList = (list: readonly unknown[], { path, keys, say }: Place): Matcher => {
  if (list.length === 0) say(path, 'needs at least one value');
  const exact = new Set<Value>(list.filter(isValue));
  const tests: Test[] = [];
  for (const [n, item] of list.entries()) {
    if (isValue(item) || isAbsence(item)) continue;
    const place = [...path, String(n)];
    const test = isObject(item) ? compileOperator(item, place, say) : say(place, 'needs a value or an operator');
    if (test) tests.push(test);
  }
  const test: Test = (value) => {
    if (exact.has(value)) return true;
    for (const one of tests) if (one(value)) return true;
    return false;
  };
  if (!list.some(isAbsence)) return (value) => someValue(value, test);
  return (value, event) => someValue(value, test) || !hasValue(event, keys);
};

const compileField = (item: unknown, place: Place): Matcher => {
  if (Array.isArray(item)) return compileList(item, place);
  if (isObject(item)) return compileObject(item, place);
  place.say(place.path, 'needs a list of values');
  return () => false;
};

const compileOr = (choices: unknown, { path, keys, say }: Place): Matcher => {
  const fits = Array.isArray(choices) && choices.length > 1 && choices.every(isObject);
  if (!fits) say(path, 'needs a list of two or more patterns');
  const matchers = (fits ? choices : []).map((choice, n) => compileObject(choice, { path: [...path, String(n)], keys, say }));
  return (value, event) => {
    for (const matches of matchers) if (matches(value, event)) return true;
    return false;
  };
};

const compileObject = (pattern: Pattern, place: Place): Matcher => {
  const { $or: choices, ...fields } = pattern;
  const named = Object.entries(fields).map(([key, item]) => ({ key, matches: compileField(item, within(place, key)) }));
  const either = choices === undefined ? undefined : compileOr(choices, { ...place, path: [...place.path, '$or'] });
  if (named.length === 0 && !either) place.say(place.path, 'needs at least one field');

  const holds = (object: Record<string, unknown> | undefined, event: unknown): boolean => {
    for (const { key, matches } of named) {
      const value = object && Object.hasOwn(object, key) ? object[key] : undefined;
      if (!matches(value, event)) return false;
    }
    return !either || either(object, event);
  };
  const matches: Matcher = (value, event) => {
    if (!Array.isArray(value)) return holds(isObject(value) ? value : undefined, event);
    for (const element of value) if (matches(element, event)) return true;
    return holds(undefined, event);
  };
  return matches;
};

/** Throws a PatternError that lists all mistakes. The function takes any JSON value and never throws. */
export const compilePattern = (pattern: unknown): ((event: unknown) => boolean) => {
  const mistakes: Mistake[] = [];
  const say: Say = (path, message) => void mistakes.push({ path, message });
  const place = { path: [], keys: [], say };
  const matches = isObject(pattern) ? compileObject(pattern, place) : undefined;
  if (!matches) say([], 'needs fields with lists of values');
  if (!matches || mistakes.length > 0) throw new PatternError(mistakes);
  return (event) => matches(event, event);
};
