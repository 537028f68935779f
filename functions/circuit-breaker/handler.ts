/** `circuit.*.report`, the states that agents publish, and what operators ask of circuits. */
import { settings } from '#shared/circuit/rules.ts';
import { createFunction } from '#shared/function/create-function.ts';
import { circuits } from './decide.ts';
import { list } from './queries.ts';

export const handler = createFunction({ name: 'circuit-breaker', settings, entities: [circuits], queries: [list] });
