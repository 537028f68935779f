/** The settings of the local stack: environment variables, checked once. */
import { fileURLToPath } from 'node:url';
import * as z from 'zod';

/** The project's folder. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** What the project installs and stores; git ignores it. */
export const CACHE = `${ROOT}.mistersmith`;

const port = (fallback: number) =>
  z
    .string()
    .default(String(fallback))
    .refine((text) => /^\d{1,5}$/.test(text) && Number(text) <= 65_535, 'is not a port: 0 (any free one) to 65535')
    .transform(Number);

const isServerUrl = (text: string): boolean =>
  text.split(',').every((one) => {
    const url = URL.parse(one.includes('://') ? one.trim() : `nats://${one.trim()}`);
    return url !== null && ['nats:', 'tls:'].includes(url.protocol) && url.hostname !== '';
  });

const schema = z.object({
  NATS_URL: z.string().refine(isServerUrl, 'is no address of a NATS server, such as nats://127.0.0.1:4222').optional(),
  NATS_PORT: port(4222),
  HTTP_PORT: port(8080),
  DATA_DIR: z.string().default(`${CACHE}/data`),
  TABLE_NAME: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{3,255}$/, 'is no table name: 3 to 255 letters, digits, _ . or -')
    .default('mistersmith'),
  LOG_LEVEL: z
    .string()
    .toLowerCase()
    .pipe(z.enum(['debug', 'info', 'warn', 'error']))
    .default('info'),
});

export type Settings = z.infer<typeof schema>;

/** A variable that is set to nothing counts as not set. Throws one error that lists all mistakes. */
export const readSettings = (environment: Record<string, string | undefined>): Settings => {
  const set = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = schema.safeParse(set);
  if (parsed.success) return parsed.data;
  const mistakes = parsed.error.issues.map(
    ({ path, message }) => `${path.join('.')} (${JSON.stringify(set[String(path[0])])}): ${message}`,
  );
  throw new Error(`the environment is wrong: ${mistakes.join('; ')}`);
};
