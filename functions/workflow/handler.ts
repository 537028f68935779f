/** Pipelines and workflows. */
import { createFunction } from '#shared/function/create-function.ts';
import { workflows } from './decide.ts';
import { list, show } from './queries.ts';
import { settings } from './settings.ts';

export const handler = createFunction({ name: 'workflow', settings, entities: [workflows], queries: [show, list] });
