/**
 * A binding's `filter`: an event pattern on the decoded body, and under reserved keys on what is around it: `$subject`, and
 * `$headers` by name, whatever its case.
 */
import type { BatchRecord, Headers } from '#shared/contract.ts';
import { compilePattern, type Mistake, type Pattern, PatternError } from '#shared/event-pattern/event-pattern.ts';
import { isObject } from '#shared/messages/opaque.ts';
import { readEnvelope } from '#shared/messages/read.ts';

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

/** Senders write a header's name in any case. */
const valuesOf = (headers: Headers, name: string): string[] | undefined => {
  const exact = headers[name];
  if (exact) return exact;
  const lower = name.toLowerCase();
  for (const key in headers) if (key.toLowerCase() === lower) return headers[key];
  return undefined;
};

/** Reads of a record only what the filter asks for. A body that is no JSON object has no fields. Throws a PatternError. */
export const compileFilter = (filter: Pattern): ((record: Filtered) => boolean) => {
  const matches = compilePattern(filter);
  const patterns = outermost(filter);
  const keys = new Set(patterns.flatMap(Object.keys));
  const names = new Set(patterns.flatMap(({ $headers }) => (isObject($headers) ? Object.keys($headers) : [])));
  const readsBody = [...keys].some((key) => !key.startsWith('$'));
  const readsAround = keys.has('$subject') || names.size > 0;

  const bodyOf = (record: Filtered): Pattern => {
    const { body } = readEnvelope(record);
    return isObject(body) ? body : {};
  };
  if (!readsAround) return (record) => matches(bodyOf(record));
  return (record) => {
    const headers: Record<string, string[] | undefined> = {};
    for (const name of names) headers[name] = valuesOf(record.headers, name);
    return matches({ ...(readsBody && bodyOf(record)), $subject: record.subject, $headers: headers });
  };
};
