/** `supervision.failures.*`: recovers, escalates, counts. */
import { createFunction } from '#shared/function/create-function.ts';
import { failures, settings } from './decide.ts';

export const handler = createFunction({ name: 'failure-handler', settings, entities: [failures] });
