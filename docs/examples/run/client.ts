/** What an example has in its hands: a NATS client that prints what it says and hears, and waits with a deadline. */
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { ask, type Body, bodyOf, seconds, textOf } from './ask.ts';
import { transcript } from './transcript.ts';

const REQUEST_MS = 15_000;
const POLL_MS = 100;

/** The first message on a filter, from now on, that is `wanted` and was not taken before. Rejects at the deadline. */
export type Next = (what: string, wanted?: (body: Body, subject: string) => boolean) => Promise<Body>;

export type Client = {
  /** For what is more than a publish, a request or a subscription. */
  nc: NatsConnection;
  /** One that nobody had before: `trip-3f9a1c`. */
  id(prefix: string): string;
  say(sentence: string): void;
  /** An object as JSON, a text as it is. */
  publish(subject: string, body?: unknown): void;
  /** The answer. Rejects with the sentence of an error, or after `timeout` ms; says in `X-Deadline` how long it waits. */
  request(subject: string, body?: unknown, timeout?: number): Promise<Body>;
  /** Asks again until the answer is `wanted`. */
  requestUntil(what: string, subject: string, body: unknown, wanted: (answer: Body) => unknown): Promise<Body>;
  /** `mine`: on a subject that others use, too. */
  listen(filter: string, mine?: (body: Body, subject: string) => boolean): Promise<Next>;
  /** Does something with each message; what it returns, if anything, is the answer. */
  answer(filter: string, act: (body: Body, subject: string) => unknown): Promise<void>;
  /** Says that it is created and ready, and waits until it is found. When the example ends it stops. */
  agent(agentId: string, about?: object): Promise<void>;
  /** An agent that does tasks: what `work` returns is the result, what it throws the error. */
  worker(agentId: string, about: object, work: (payload: Body, attempt: number) => unknown): Promise<void>;
  /** Throws the sentence where it does not hold. */
  check(holds: boolean, otherwise: string): void;
  close(): Promise<void>;
};

/** Closes the connection with itself. `print` is given a line at a time; nothing is waited for longer than `deadlineMs`. */
export const createClient = (nc: NatsConnection, print: (line: string) => void, deadlineMs = 30_000): Client => {
  const agents: string[] = [];
  const { say, show } = transcript(print);

  const client: Client = {
    nc,
    id: (prefix) => `${prefix}-${randomBytes(3).toString('hex')}`,
    say,
    publish(subject, body = '') {
      show('>', subject, textOf(body));
      nc.publish(subject, textOf(body));
    },
    async request(subject, body = '', timeout = REQUEST_MS) {
      show('>', subject, textOf(body));
      const reply = await ask(nc, subject, body, timeout);
      show('<', 'answer', reply.string());
      return bodyOf(reply);
    },
    async requestUntil(what, subject, body, wanted) {
      show('>', subject, textOf(body));
      for (const until = Date.now() + deadlineMs; Date.now() < until; await pause(POLL_MS)) {
        const reply = await ask(nc, subject, body, REQUEST_MS).catch(() => undefined);
        if (!reply || !wanted(bodyOf(reply))) continue;
        show('<', 'answer', reply.string());
        return bodyOf(reply);
      }
      throw new Error(`${what} did not happen within ${seconds(deadlineMs)}: ${subject} never said so`);
    },
    async listen(filter, mine = () => true) {
      const heard: { subject: string; body: Body }[] = [];
      let wake = () => {};
      nc.subscribe(filter, {
        callback: (_, message) => {
          const body = bodyOf(message);
          if (!mine(body, message.subject)) return;
          show('<', message.subject, message.string());
          heard.push({ subject: message.subject, body });
          wake();
        },
      });
      await nc.flush();
      return async (what, wanted = () => true) => {
        for (const until = Date.now() + deadlineMs; ; ) {
          const at = heard.findIndex(({ subject, body }) => wanted(body, subject));
          if (at >= 0) return heard.splice(at, 1)[0]?.body;
          const left = until - Date.now();
          if (left <= 0) throw new Error(`${what} did not happen within ${seconds(deadlineMs)}: ${filter} never said so`);
          const { promise, resolve } = Promise.withResolvers<void>();
          wake = resolve;
          await Promise.race([promise, pause(left, undefined, { ref: false })]);
        }
      };
    },
    async answer(filter, act) {
      nc.subscribe(filter, {
        callback: (_, message) => {
          show('<', message.subject, message.string());
          const answer = act(bodyOf(message), message.subject);
          if (message.reply && answer !== undefined) message.respond(textOf(answer));
        },
      });
      await nc.flush();
    },
    async agent(agentId, about = {}) {
      agents.push(agentId);
      client.publish(`agent.${agentId}.created`, about);
      client.publish(`agent.${agentId}.ready`);
      await client.requestUntil(`${agentId} is found`, 'agents.discovery.resolve', { agent_id: agentId }, found);
    },
    async worker(agentId, about, work) {
      await client.answer(`coordination.tasks.assignment.${agentId}`, ({ task_id, attempt, payload }) => {
        const report = (status: string, more: object = {}) =>
          client.publish(`coordination.tasks.status.${task_id}`, { agent_id: agentId, attempt, status, ...more });
        report('accepted');
        try {
          report('completed', { result: work(payload, attempt) });
        } catch (error) {
          report('failed', { error: (error as Error).message });
        }
      });
      await client.agent(agentId, about);
    },
    check(holds, otherwise) {
      if (!holds) throw new Error(otherwise);
    },
    async close() {
      for (const agentId of agents) nc.publish(`agent.${agentId}.stopped`, '{"reason":"shutdown"}');
      await nc.drain();
    },
  };
  return client;
};

const found = ({ agent }: { agent?: { state: string } }): boolean => agent?.state === 'active';
