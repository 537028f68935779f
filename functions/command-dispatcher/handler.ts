/** Commands and health checks to many agents, and what these answer. */
import { createFunction } from '#shared/function/create-function.ts';
import { commands } from './decide.ts';
import { show } from './queries.ts';
import { settings } from './settings.ts';

export const handler = createFunction({ name: 'command-dispatcher', settings, entities: [commands], queries: [show] });
