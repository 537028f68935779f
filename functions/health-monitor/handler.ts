/** Heartbeats of every kind, reports of health, answers to checks, and starts and ends of agents. */
import { createFunction } from '#shared/function/create-function.ts';
import { healths } from './decide.ts';
import { show } from './queries.ts';
import { settings } from './settings.ts';

export const handler = createFunction({ name: 'health-monitor', settings, entities: [healths], queries: [show] });
