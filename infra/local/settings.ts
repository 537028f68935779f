/** The settings of the local stack: environment variables, checked once. */
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { natsConflicts, natsVariables } from '../nats/nats-settings.ts';
import { workConflicts, workVariables } from '../nats/work-settings.ts';
import { checkEnvironment, type Environment, logLevel, port, refuse } from '../settings.ts';

/** The project's folder. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** What the project installs and stores; git ignores it. */
export const CACHE = `${ROOT}.mistersmith`;

const schema = z.object({
  ...natsVariables,
  ...workVariables,
  NATS_PORT: port(4222),
  HTTP_PORT: port(8080),
  DATA_DIR: z.string().default(`${CACHE}/data`),
  TABLE_NAME: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{3,255}$/, 'is no table name: 3 to 255 letters, digits, _ . or -')
    .default('mistersmith'),
  LOG_LEVEL: logLevel,
});

export type Settings = z.infer<typeof schema>;

/** A variable that is set to nothing counts as not set. Throws a SettingsError that lists all mistakes. */
export const readSettings = (environment: Environment): Settings => {
  const { settings, mistakes } = checkEnvironment(schema, environment);
  const all = [...mistakes, ...natsConflicts(environment), ...(settings ? workConflicts(settings) : [])];
  return settings && all.length === 0 ? settings : refuse(all);
};
