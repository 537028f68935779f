/** Scatters and their results; how far a gather is, its end by hand, and the pages of an answer that was too large for one message. */
import { createFunction } from '#shared/function/create-function.ts';
import { gathers } from './decide.ts';
import { page, show } from './queries.ts';

export const handler = createFunction({ name: 'gather-aggregator', entities: [gathers], queries: [page, show] });
