/** Sagas: steps with compensations. */
import { createFunction } from '#shared/function/create-function.ts';
import { sagas } from './decide.ts';
import { list, show } from './queries.ts';
import { settings } from './settings.ts';

export const handler = createFunction({ name: 'saga', settings, entities: [sagas], queries: [show, list] });
