/** Whom messages go to: for those who send them, and for operators who set the policies. */
import { createFunction } from '#shared/function/create-function.ts';
import { turns } from './decide.ts';
import { policies } from './policies.ts';
import { explain, list } from './queries.ts';

export const handler = createFunction({ name: 'router', entities: [turns, policies], queries: [list, explain] });
