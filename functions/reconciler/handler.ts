/** Every minute, and when an operator asks: wakes what is overdue. */
import { createFunction } from '#shared/function/create-function.ts';
import { sweeps } from './decide.ts';

export const handler = createFunction({ name: 'reconciler', entities: [sweeps] });
