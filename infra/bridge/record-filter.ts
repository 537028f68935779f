/**
 * A binding's `filter`: an event pattern on the decoded body, and under reserved keys on what is around it: `$subject`, and
 * `$headers` by name, whatever its case.
 */
import type { BatchRecord, Headers } from '#shared/contract.ts';
import { isObject } from '#shared/messages/opaque.ts';
import { readEnvelope } from '#shared/messages/read.ts';
import { compilePattern, type Mistake, type Pattern, PatternError } from './event-pattern.ts';

type Filtered = Pick<BatchRecord, 'subject' | 'headers' | 'data' | 'encoding'>;

/** The pattern itself and the choices of its `$or`: there the reserved keys have their meaning. */
const outermost = (pattern: Pattern): Pattern[] => [
  pattern,
  ...(Array.isArray(pattern.$or) ? pattern.$or.filter(isObject).flatMap(outermost) : []),
];

const reservedMistakes = (pattern: Pattern, path: readonly string[]): Mistake[] =>
  Object.entries(pattern).flatMap(([key, item]): Mistake[] => {
    const place = [...path, key];
    if (key === '$subject') return isObject(item) ? [{ path: place, message: 'needs a list of values' }] : [];
    if (key === '$headers') {
      if (!isObject(item)) return [{ path: place, message: 'needs header names, each with a list of values' }];
      const deeper = Object.keys(item).filter((name) => isObject(item[name]));
      return deeper.map((name) => ({ path: [...place, name], message: 'needs a list of values' }));
    }
    if (key === '$or') {
      const choices = Array.isArray(item) ? item : [];
      return choices.flatMap((choice, n) => (isObject(choice) ? reservedMistakes(choice, [...place, String(n)]) : []));
    }
    return key.startsWith('$') ? [{ path: place, message: 'is not known; reserved are $subject, $headers and $or' }] : [];
  });

/** All mistakes of a filter, each once. */
export const filterMistakes = (filter: Pattern): readonly Mistake[] => {
  const reserved = reservedMistakes(filter, []);
  const said = new Set(reserved.map(({ path }) => path.join('.')));
  try {
    compilePattern(filter);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    return [...reserved, ...error.mistakes.filter(({ path }) => !said.has(path.join('.')))];
  }
  return reserved;
};

const lowerNames = <T>(named: Record<string, T>): [string, T][] => Object.entries(named).map(([name, item]) => [name.toLowerCase(), item]);

const withLowerNames = (pattern: Pattern): Pattern => ({
  ...pattern,
  ...(isObject(pattern.$headers) && { $headers: Object.fromEntries(lowerNames(pattern.$headers)) }),
  ...(Array.isArray(pattern.$or) && { $or: pattern.$or.map(withLowerNames) }),
});

const headersByLowerName = (headers: Headers): Headers => {
  const lower: Headers = {};
  for (const [name, values] of lowerNames(headers)) lower[name] = [...(lower[name] ?? []), ...values];
  return lower;
};

/** Reads of a record only what the filter asks for. A body that is no JSON object has no fields. Throws a PatternError. */
export const compileFilter = (filter: Pattern): ((record: Filtered) => boolean) => {
  const matches = compilePattern(withLowerNames(filter));
  const keys = new Set(outermost(filter).flatMap(Object.keys));
  const ofHeaders = keys.delete('$headers');
  const around = keys.delete('$subject') || ofHeaders;
  keys.delete('$or');
  const bodyOf = (record: Filtered): Pattern => {
    const { body } = keys.size > 0 ? readEnvelope(record) : {};
    return isObject(body) ? body : {};
  };
  if (!around) return (record) => matches(bodyOf(record));
  return (record) =>
    matches({ ...bodyOf(record), $subject: record.subject, $headers: ofHeaders ? headersByLowerName(record.headers) : undefined });
};
