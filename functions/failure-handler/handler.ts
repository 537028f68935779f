/** `supervision.failures.*`: recovers, escalates, counts. */
import { createFunction } from '#shared/function/create-function.ts';
import { failures } from './decide.ts';
import { settings } from './settings.ts';

export const handler = createFunction({ name: 'failure-handler', settings, entities: [failures] });
