/** Exponential backoff with full jitter (M. Brooker, "Exponential Backoff And Jitter", AWS, 2015). Pure. */
import type { Context } from '#shared/entity/entity.ts';
import { fnv1a } from '#shared/fnv1a.ts';
import type { Settings } from './settings.ts';

/** 0 to 1, made from a token as evenly as its characters are. */
const fractionOf = (token: string): number => fnv1a(token) / 2 ** 32;

/** ms to wait after so many restarts; none before: none to wait. */
export const backoffMs = (restarts: number, { settings: { backoff }, newId }: Pick<Context<Settings>, 'settings' | 'newId'>): number =>
  restarts === 0 ? 0 : Math.ceil(fractionOf(newId('backoff')) * Math.min(backoff.most, backoff.first * 2 ** (restarts - 1)));
