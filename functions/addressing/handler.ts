/** Requests to a role. */
import { createFunction } from '#shared/function/create-function.ts';
import { address } from './decide.ts';

export const handler = createFunction({ name: 'addressing', queries: [address] });
