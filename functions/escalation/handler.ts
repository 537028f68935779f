/** `supervision.escalation.*`, agents that are ready again, and what operators say of a case. */
import { createFunction } from '#shared/function/create-function.ts';
import { cases } from './decide.ts';
import { list } from './queries.ts';
import { settings } from './settings.ts';

export const handler = createFunction({ name: 'escalation', settings, entities: [cases], queries: [list] });
