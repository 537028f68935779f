/**
 * Two functions made for judging, `tally` and `ledger`: each writes down the numbers that it is sent about a key, says each on,
 * and rings once a key. So what the table holds says how often a message acted and in which order, and nothing in the state
 * helps the engine to notice that one acts twice.
 */
import * as z from 'zod';
import { type Alarm, type Decision, defineEntity, done } from '#shared/entity/entity.ts';
import type { Kind } from '#shared/entity/kind.ts';
import { createFunction } from '#shared/function/create-function.ts';
import { defineMessage, type Received } from '#shared/messages/message.ts';

export const FUNCTIONS = ['tally', 'ledger'] as const;
export type FunctionName = (typeof FUNCTIONS)[number];

/** After its first message a key rings, ms. */
const RINGS_AFTER_MS = 500;

const pageSchema = z.object({ numbers: z.array(z.number()), due: z.number().nullable(), rung: z.number() });
export type Page = z.infer<typeof pageSchema>;

/** What it says on. */
export type Said = { n: number } | { rung: number };

const body = z.object({ n: z.number(), deadly: z.boolean().optional() });

const pagesOf = (name: FunctionName) => {
  const added = defineMessage({ name: 'added', subject: `added.${name}.<key>`, by: 'core', body });
  const kind: Kind<Page> = { kind: name, schema: pageSchema, version: 1 };

  const add = (page: Page, { body: { n, deadly } }: Received<typeof added>, id: string, now: number): Decision<Page> => {
    if (deadly) process.exit(1);
    const numbers = [...page.numbers, n];
    const publish = [{ subject: `sums.${name}.${id}`, body: { n } satisfies Said }];
    if (page.due !== null || page.rung > 0) return done({ state: { ...page, numbers }, publish });
    const due = now + RINGS_AFTER_MS;
    return done({ state: { ...page, numbers, due }, publish, wakeAt: due });
  };

  const ring = (page: Page, _alarm: Alarm, id: string, now: number): Decision<Page> => {
    if (page.due === null || now < page.due) return done({ wakeAt: page.due });
    const rung = page.rung + 1;
    return done({
      state: { ...page, due: null, rung },
      publish: [{ subject: `sums.${name}.${id}`, body: { rung } satisfies Said }],
      wakeAt: null,
    });
  };

  return defineEntity<Page, typeof added>({
    of: kind,
    accepts: [added],
    id: ({ params }) => params.key,
    decide: (before, event, { id, now }) => {
      const page = before ?? { numbers: [], due: null, rung: 0 };
      return event.message === 'alarm' ? ring(page, event, id, now) : add(page, event, id, now);
    },
  });
};

export const tally = createFunction({ name: 'tally', entities: [pagesOf('tally')] });
export const ledger = createFunction({ name: 'ledger', entities: [pagesOf('ledger')] });
