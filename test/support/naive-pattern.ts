/**
 * Event patterns as EventBridge's own matcher defines them, slowly: the pattern is multiplied out to rules without `$or`,
 * the event laid flat to values with the array elements they lie in, and a rule matches when a value can be chosen for each
 * of its fields so that no two of them lie in different elements of one array.
 */
type Value = string | number | boolean | null;
type Leaf = { keys: string; value: Value; elements: { array: string; index: number }[] };
type Condition = { keys: string; list: unknown[] };

const leavesOf = (value: unknown, keys: string[] = [], elements: Leaf['elements'] = []): Leaf[] => {
  if (Array.isArray(value)) {
    const array = JSON.stringify([keys, elements]);
    return value.flatMap((element, index) => leavesOf(element, keys, [...elements, { array, index }]));
  }
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).flatMap(([key, item]) => leavesOf(item, [...keys, key], elements));
  return [{ keys: keys.join('/'), value: value as Value, elements }];
};

const rulesOf = (pattern: Record<string, unknown>, keys: string[] = []): Condition[][] =>
  Object.entries(pattern).reduce<Condition[][]>(
    (rules, [key, item]) => {
      const within = [...keys, key];
      let choices: Condition[][];
      if (key === '$or') choices = (item as Record<string, unknown>[]).flatMap((choice) => rulesOf(choice, keys));
      else if (Array.isArray(item)) choices = [[{ keys: within.join('/'), list: item }]];
      else choices = rulesOf(item as Record<string, unknown>, within);
      return rules.flatMap((rule) => choices.map((choice) => [...rule, ...choice]));
    },
    [[]],
  );

const globToRegExp = (glob: string): RegExp =>
  new RegExp(`^${glob.replace(/\\?./g, (part) => (part === '*' ? '.*' : `[${part.at(-1)}]`))}$`);

const compare = (value: number, sign: string, bound: number): boolean => {
  const order = Math.sign(value - bound);
  return { '=': [0], '!=': [-1, 1], '<': [-1], '<=': [-1, 0], '>': [1], '>=': [0, 1] }[sign]?.includes(order) ?? false;
};

const itemMatches = (item: unknown, value: Value): boolean => {
  if (typeof item !== 'object' || item === null) return item === value;
  const [[operator, operand] = ['', undefined]] = Object.entries(item);
  if (operator === 'exists') return operand === true;
  if (operator === 'anything-but') {
    const named = Array.isArray(operand) || typeof operand !== 'object' ? [] : Object.entries(operand);
    const excluded =
      named.length === 0 ? [operand].flat() : named.flatMap(([name, texts]) => [texts].flat().map((text) => ({ [name]: text })));
    return !excluded.some((one) => itemMatches(one, value));
  }
  if (operator === 'numeric') {
    const [first = '=', from = 0, second = first, to = from] = operand as [string?, number?, string?, number?];
    return typeof value === 'number' && compare(value, first, from) && compare(value, second, to);
  }
  if (typeof value !== 'string') return false;
  if (operator === 'equals-ignore-case') return value.toUpperCase() === operand.toUpperCase();
  if (operator === 'wildcard') return globToRegExp(operand).test(value);
  const folded = typeof operand === 'object';
  const part: string = folded ? operand['equals-ignore-case'].toUpperCase() : operand;
  const text = folded ? value.toUpperCase() : value;
  return part === (operator === 'prefix' ? text.slice(0, part.length) : text.slice(Math.max(0, text.length - part.length)));
};

const together = (one: Leaf, other: Leaf): boolean =>
  one.elements.every(({ array, index }) => other.elements.every((element) => element.array !== array || element.index === index));

const ruleMatches = ([condition, ...rest]: Condition[], leaves: Leaf[], chosen: Leaf[] = []): boolean => {
  if (!condition) return true;
  const here = leaves.filter(({ keys }) => keys === condition.keys);
  const absence = condition.list.some((item) => JSON.stringify(item) === '{"exists":false}');
  if (here.length === 0) return absence && ruleMatches(rest, leaves, chosen);
  return here.some(
    (leaf) =>
      condition.list.some((item) => itemMatches(item, leaf.value)) &&
      chosen.every((other) => together(other, leaf)) &&
      ruleMatches(rest, leaves, [...chosen, leaf]),
  );
};

export const naiveMatch = (pattern: Record<string, unknown>, event: unknown): boolean => {
  const leaves = leavesOf(event);
  return rulesOf(pattern).some((rule) => ruleMatches(rule, leaves));
};
