/** What an event pattern says of one value: the comparison operators of EventBridge, each compiled to a test. */
import { isObject } from '#shared/messages/opaque.ts';

/** What a field holds where JSON goes no deeper. */
export type Value = string | number | boolean | null;
export type Test = (value: Value) => boolean;
/** Keeps the mistake; there is nothing to test with then. */
export type Say = (path: readonly string[], message: string) => undefined;

type TextTest = (text: string) => boolean;

export const isValue = (value: unknown): value is Value =>
  value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

const ignoreCase = (text: string): TextTest => {
  const lower = text.toLowerCase();
  return (value) => value.toLowerCase() === lower;
};

/** `*` is any run of characters, also none; `\*` and `\\` are the characters themselves. */
const wildcard = (glob: string): TextTest => {
  const parts = [''];
  for (const [, escaped, star, plain] of glob.matchAll(/\\(.)|(\*)|([^*\\]+)/g)) {
    if (star) parts.push('');
    else parts.push((parts.pop() ?? '') + (escaped ?? plain));
  }
  const first = parts.shift() ?? '';
  const last = parts.pop();
  if (last === undefined) return (text) => text === first;
  return (text) => {
    if (!text.startsWith(first) || !text.endsWith(last)) return false;
    let at = first.length;
    for (const part of parts) {
      const found = text.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return at + last.length <= text.length;
  };
};

const TEXT_OPERATORS = {
  prefix:
    (part: string): TextTest =>
    (text) =>
      text.startsWith(part),
  suffix:
    (part: string): TextTest =>
    (text) =>
      text.endsWith(part),
  'equals-ignore-case': ignoreCase,
  wildcard,
};
type TextOperator = keyof typeof TEXT_OPERATORS;
const TEXT_NAMES = Object.keys(TEXT_OPERATORS).join(', ');
const isTextOperator = (name: string): name is TextOperator => Object.hasOwn(TEXT_OPERATORS, name);

/** `{ prefix: { equals-ignore-case: text } }`, and so for suffix. */
const ignoringCase = (name: TextOperator, operand: unknown): TextTest | undefined => {
  const text = isObject(operand) && Object.keys(operand).length === 1 ? operand['equals-ignore-case'] : undefined;
  if ((name !== 'prefix' && name !== 'suffix') || typeof text !== 'string' || text === '') return undefined;
  const matches = TEXT_OPERATORS[name](text.toLowerCase());
  return (value) => matches(value.toLowerCase());
};

const textTest = (name: TextOperator, operand: unknown, path: readonly string[], say: Say): TextTest | undefined => {
  if (typeof operand !== 'string' || operand === '') return ignoringCase(name, operand) ?? say(path, 'needs text that is not empty');
  if (name === 'wildcard' && !/^(?:[^*\\]|\\[*\\]|\*(?!\*))*$/.test(operand))
    return say(path, 'has two * in a row, or a \\ before something else than * or \\');
  return TEXT_OPERATORS[name](operand);
};

const anythingButText = (operand: Record<string, unknown>, path: readonly string[], say: Say): Test | undefined => {
  const [[name, excluded] = ['', undefined], ...more] = Object.entries(operand);
  if (!isTextOperator(name) || more.length > 0) return say(path, `takes exactly one of ${TEXT_NAMES}`);
  const list = Array.isArray(excluded) ? excluded : [excluded];
  if (list.length === 0) return say([...path, name], 'needs at least one text');
  const tests = list.flatMap((item) => textTest(name, item, [...path, name], say) ?? []);
  return (value) => typeof value !== 'string' || !tests.some((test) => test(value));
};

const anythingBut = (operand: unknown, path: readonly string[], say: Say): Test | undefined => {
  if (isObject(operand)) return anythingButText(operand, path, say);
  const values: unknown[] = Array.isArray(operand) ? operand : [operand];
  const kind = typeof values[0];
  if ((kind !== 'string' && kind !== 'number') || values.some((value) => typeof value !== kind))
    return say(path, `needs text, a number, a list of either, or one of ${TEXT_NAMES}`);
  const excluded = new Set(values);
  return (value) => !excluded.has(value);
};

const COMPARISONS = new Map<unknown, (bound: number) => (value: number) => boolean>([
  ['=', (bound) => (value) => value === bound],
  ['!=', (bound) => (value) => value !== bound],
  ['<', (bound) => (value) => value < bound],
  ['<=', (bound) => (value) => value <= bound],
  ['>', (bound) => (value) => value > bound],
  ['>=', (bound) => (value) => value >= bound],
]);

const isRange = ([lower, from, upper, to]: unknown[]): boolean =>
  (lower === '>' || lower === '>=') && (upper === '<' || upper === '<=') && Number(from) < Number(to);

const numeric = (operand: unknown, path: readonly string[], say: Say): Test | undefined => {
  const list: unknown[] = Array.isArray(operand) ? operand : [];
  const bounds = list.filter((_, n) => n % 2 === 1);
  const [first, second] = list.filter((_, n) => n % 2 === 0).map((sign, n) => COMPARISONS.get(sign)?.(bounds[n] as number));
  const fits = first && bounds.every(Number.isFinite) && (list.length === 2 || (list.length === 4 && isRange(list)));
  if (!fits) return say(path, 'needs a comparison like ["<=", 10], or a range like [">", 0, "<=", 10]');
  return (value) => typeof value === 'number' && first(value) && (!second || second(value));
};

const OPERATOR_NAMES = `${TEXT_NAMES}, anything-but, numeric, exists`;

/** `{ <operator>: <operand> }`, all but `exists: false`, which has no value to test. */
export const compileOperator = (operator: Record<string, unknown>, path: readonly string[], say: Say): Test | undefined => {
  const [[name, operand] = ['', undefined], ...more] = Object.entries(operator);
  if (more.length > 0) return say(path, 'needs exactly one operator');
  const place = [...path, name];
  if (isTextOperator(name)) {
    const test = textTest(name, operand, place, say);
    return test && ((value) => typeof value === 'string' && test(value));
  }
  switch (name) {
    case 'anything-but':
      return anythingBut(operand, place, say);
    case 'numeric':
      return numeric(operand, place, say);
    case 'exists':
      return operand === true ? () => true : say(place, 'needs true or false');
    default:
      return say(path, `needs one operator of ${OPERATOR_NAMES}`);
  }
};
