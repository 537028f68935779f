/** The two questions that operators ask of most kinds of entities: one of them by its id, and those of a lookup value, a page at a time. */
import type { Kind } from '#shared/entity/kind.ts';
import { type Page, readPage } from '#shared/entity/page.ts';
import type { AnyMessage, Received } from '#shared/messages/message.ts';
import { defineQuery, type Query } from './query.ts';

const DEFAULT_LIMIT = 100;

type OfOne<M extends AnyMessage, State> = {
  message: M;
  kind: Kind<State>;
  id: (request: Received<M>) => string;
  /** The answer. */
  body: (id: string, state: State) => object;
  /** A sentence for who asks for one that there is not. */
  missing: (id: string) => string;
};

export const showQuery = <M extends AnyMessage, State>(of: OfOne<M, State>): Query<M, State | undefined> =>
  defineQuery({
    message: of.message,
    read: async (request, reader) => {
      const id = of.id(request);
      return (await reader.load(of.kind, [id])).get(id);
    },
    answer: (state, request) => {
      const id = of.id(request);
      return state === undefined ? { error: { code: 'not_found', message: of.missing(id) } } : { body: of.body(id, state) };
    },
  });

type OfMany<M extends AnyMessage, State> = {
  /** Its body has `after` and `limit`. */
  message: M;
  kind: Kind<State>;
  lookup: (request: Received<M>) => string;
  /** The field of the answer. */
  as: string;
  /** Undefined: it is none of those that are asked for, for the lookup lags behind the state. */
  item: (id: string, state: State, request: Received<M>) => object | undefined;
  /** Entities in an answer, which has to fit a message. */
  most: number;
};

export const listQuery = <M extends AnyMessage, State>(of: OfMany<M, State>): Query<M, Page<State>> =>
  defineQuery({
    message: of.message,
    read: (request, reader) => {
      const { after, limit = DEFAULT_LIMIT } = request.body as { after?: string; limit?: number };
      return readPage(reader, of.kind, of.lookup(request), { after, limit: Math.min(limit, of.most) });
    },
    answer: ({ states, next }, request) => ({
      body: {
        [of.as]: [...states].flatMap(([id, state]) => of.item(id, state, request) ?? []),
        ...(next !== undefined && { next }),
      },
    }),
  });
