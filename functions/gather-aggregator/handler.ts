/** Scatters and their results; and the pages of an answer that was too large for one message. */
import { createFunction } from '#shared/function/create-function.ts';
import { gathers } from './decide.ts';
import { page } from './queries.ts';

export const handler = createFunction({ name: 'gather-aggregator', entities: [gathers], queries: [page] });
