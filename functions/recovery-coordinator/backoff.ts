/** Exponential backoff with full jitter (M. Brooker, "Exponential Backoff And Jitter", AWS, 2015). Pure. */
import type { Context } from '#shared/entity/entity.ts';
import type { Settings } from './settings.ts';

/** 0 to 1, made from a token as evenly as its characters are. */
const fractionOf = (token: string): number => {
  let hash = 0x811c9dc5;
  for (const character of token) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  return (hash >>> 0) / 2 ** 32;
};

/** ms to wait after so many restarts; none before: none to wait. */
export const backoffMs = (restarts: number, { settings: { backoff }, newId }: Pick<Context<Settings>, 'settings' | 'newId'>): number =>
  restarts === 0 ? 0 : Math.ceil(fractionOf(newId('backoff')) * Math.min(backoff.most, backoff.first * 2 ** (restarts - 1)));
