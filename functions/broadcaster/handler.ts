/** Broadcasts to the whole fleet, to domains, and in an emergency. */
import { createFunction } from '#shared/function/create-function.ts';
import { emergency, send } from './decide.ts';

export const handler = createFunction({ name: 'broadcaster', queries: [send, emergency] });
