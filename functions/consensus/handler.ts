/** What agents say of a consensus: prepare, promise, propose, accept. */
import { createFunction } from '#shared/function/create-function.ts';
import { synods } from './decide.ts';
import { settings } from './settings.ts';

export const handler = createFunction({ name: 'consensus', settings, entities: [synods] });
