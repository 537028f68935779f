/** What a schema found, as a sentence for whoever sent it: the JSON path, what is wanted there, and what was found. */
import type * as z from 'zod';

const MAX_SHOWN = 60;

const shown = (value: unknown): string => {
  const json = JSON.stringify(value) ?? String(value);
  return json.length > MAX_SHOWN ? `${json.slice(0, MAX_SHOWN)}…` : json;
};

const a = (type: string): string => (/^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`);

const kindName: Record<string, string> = { int: 'whole number', record: 'object' };

const wanted = (issue: z.core.$ZodIssue): string => {
  switch (issue.code) {
    case 'invalid_value':
      return issue.values.length === 1 ? `must be ${shown(issue.values[0])}` : `must be one of ${issue.values.join(', ')}`;
    case 'invalid_type':
      return issue.message.startsWith('must ') ? issue.message : `must be ${a(kindName[issue.expected] ?? issue.expected)}`;
    case 'too_small':
    case 'too_big': {
      const bound = issue.code === 'too_small' ? `at least ${issue.minimum}` : `at most ${issue.maximum}`;
      if (issue.origin === 'string') return issue.code === 'too_small' ? 'must not be empty' : `must have ${bound} characters`;
      return issue.origin === 'array' ? `must have ${bound} elements` : `must be ${bound}`;
    }
    default:
      return issue.message;
  }
};

const pathOf = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (text, step) => (typeof step === 'number' ? `${text}[${step}]` : text === '' ? String(step) : `${text}.${String(step)}`),
    '',
  );

/** `severity: must be one of low, medium, high, critical, not "extreme"`: the first issue that a schema has with a body. */
export const explainIssue = (body: unknown, issues: readonly z.core.$ZodIssue[]): string => {
  const [issue] = issues;
  if (!issue) return 'body: is not what this subject carries';
  if (issue.path.length === 0 && issue.code === 'invalid_type') return `body: must be a JSON object, not ${shown(body)}`;
  const value = issue.path.reduce<unknown>((at, step) => (at as Record<PropertyKey, unknown> | null | undefined)?.[step], body);
  const found = value === undefined ? ' and is missing' : issue.path.length > 0 ? `, not ${shown(value)}` : '';
  return `${pathOf(issue.path) || 'body'}: ${wanted(issue)}${found}`;
};
