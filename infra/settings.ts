/** Settings are environment variables, checked whole: every mistake is told, and none tells a secret. */
import * as z from 'zod';

export type Environment = Record<string, string | undefined>;

const whole = (text: string): number => (/^\d{1,9}$/.test(text) ? Number(text) : Number.NaN);

export const port = (fallback: number) =>
  z
    .string()
    .default(String(fallback))
    .refine((text) => whole(text) <= 65_535, 'is not a port: 0 (any free one) to 65535')
    .transform(Number);

/** A whole number within `min` and `max`, of a unit that the message names. */
export const wholeNumber = (fallback: number, [min, max]: [number, number], unit: string) =>
  z
    .string()
    .default(String(fallback))
    .refine((text) => whole(text) >= min && whole(text) <= max, `is not a whole number of ${unit} from ${min} to ${max}`)
    .transform(Number);

/** One of some words, in any case. */
export const oneOf = <const Words extends readonly string[]>(words: Words, fallback: Words[number]) =>
  z
    .string()
    .toLowerCase()
    .pipe(z.enum(words, `is none of ${words.join(', ')}`))
    .default(fallback as never);

export const logLevel = oneOf(['debug', 'info', 'warn', 'error'], 'info');

export class SettingsError extends Error {
  override name = 'SettingsError';
}

/** Seeds of NKeys, PEM blocks and JWTs get into the wrong variable; addresses carry passwords. */
const shown = (value: string): string =>
  /S[A-Z][A-Z2-7]{40}|-----BEGIN|eyJ/.test(value) ? 'a secret' : JSON.stringify(value.replace(/(^|:\/\/).*@/s, '$1'));

/** A variable that is set to nothing counts as not set. */
export const withoutEmpty = (environment: Environment): Environment =>
  Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));

/** The settings, or a sentence for every mistake. */
export const checkEnvironment = <Schema extends z.ZodType>(
  schema: Schema,
  environment: Environment,
): { settings?: z.output<Schema>; mistakes: string[] } => {
  const set = withoutEmpty(environment);
  const parsed = schema.safeParse(set);
  if (parsed.success) return { settings: parsed.data, mistakes: [] };
  const mistakes = parsed.error.issues.map(({ path, message }) => {
    const name = String(path[0]);
    const value = set[name];
    return value === undefined ? `${name}: ${message}` : `${name} (${shown(value)}): ${message}`;
  });
  return { mistakes };
};

/** Throws a SettingsError that lists all mistakes. */
export const refuse = (mistakes: readonly string[]): never => {
  throw new SettingsError(`the environment is wrong: ${mistakes.join('; ')}`);
};
