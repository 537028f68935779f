/** Watches resource-manager from outside, whatever its agents do: what it finds wrong is a sentence in `problems`. */
import { type Holdings, NO_HOLDINGS, type Resource } from '#functions/resource-manager/resource.ts';
import type { Output } from '#shared/entity/entity.ts';
import { type EntityKey, idOf, kindOf } from '#shared/entity/key.ts';
import type { ResourceGranted } from '#shared/messages/resource.ts';
import type { EntityHost } from './entity-host.ts';
import type { LockOp } from './lock-history.ts';

type Watched = {
  last: number;
  tokens: Set<number>;
  /** Who waits, as far as was told. */
  queue: string[];
  /** Tokens of holders, as far as was told. */
  holders: Map<string, number>;
  believers: Map<string, { token: number; stillHolds: () => boolean }>;
  accepted: number;
  refused: Set<number>;
  askedAt: Map<string, number>;
  history: LockOp[];
};

type Honesty = { grace: number /** No clock jumps, and nobody who lives is said to be gone. */; isHonest: boolean };

export const lockJudge = (host: EntityHost, agents: readonly string[], capacity: Record<string, number>, { grace, isHonest }: Honesty) => {
  const problems: string[] = [];
  const seen = { grants: 0, handOvers: 0, transfers: 0, expiries: 0, deadlocks: 0, stale: 0 };
  const watched = new Map(
    Object.keys(capacity).map((id): [string, Watched] => [
      id,
      {
        last: 0,
        tokens: new Set(),
        queue: [],
        holders: new Map(),
        believers: new Map(),
        accepted: 0,
        refused: new Set(),
        askedAt: new Map(),
        history: [],
      },
    ]),
  );
  const of = (id: string): Watched => watched.get(id) as Watched;
  const expect = (isRight: boolean, problem: string): void => {
    if (!isRight && problems.length < 20) problems.push(problem);
  };

  const endOf = (id: string, token: number): LockOp | undefined => of(id).history.find((op) => op.kind === 'end' && op.token === token);

  const endNow = (id: string, token: number, now: number): void => {
    const end = endOf(id, token);
    if (end) end.call = Math.min(end.call, now);
  };

  const grantTold = (id: string, agent: string, token: number, now: number, receiver?: string): void => {
    const one = of(id);
    if (one.tokens.has(token)) return;
    expect(token > one.last, `${id}: token ${token} after ${one.last}`);
    one.last = Math.max(one.last, token);
    one.tokens.add(token);
    seen.grants++;
    const again = one.holders.get(agent);
    one.holders.set(agent, token);
    if (again !== undefined) endNow(id, again, now);
    else if (agent === receiver) {
      one.queue = one.queue.filter((other) => other !== agent);
      seen.transfers++;
    } else if (one.queue[0] === agent) {
      one.queue.shift();
      seen.handOvers++;
    } else expect(one.queue.length === 0, `${id}: ${agent} is granted before ${one.queue[0]}, who waited longer`);
    one.history.push({ kind: 'acquire', token, call: one.askedAt.get(agent) ?? now, return: Infinity });
    one.history.push({ kind: 'end', token, call: now, return: Infinity });
    one.askedAt.delete(agent);
  };

  const told = (
    { resource_id: id, requester, status, fencing_token, code, position }: ResourceGranted,
    now: number,
    receiver?: string,
  ): void => {
    const { queue, holders } = of(id);
    const place = queue.indexOf(requester);
    if (status === 'granted') grantTold(id, requester, fencing_token as number, now, receiver);
    if (status === 'expired') seen.expiries++;
    if (holders.get(requester) === fencing_token && (status === 'expired' || status === 'released')) holders.delete(requester);
    if (code === 'deadlock') seen.deadlocks++;
    if (status === 'queued') {
      if (place === -1) queue.push(requester);
      expect(queue.indexOf(requester) + 1 === position, `${id}: ${requester} is told position ${position}, not as it came`);
    } else if (place !== -1 && ((status === 'released' && fencing_token === undefined) || code === 'deadlock')) queue.splice(place, 1);
  };

  /** Nobody sleeps for ever, and the edges of the wait-for graph are what the resources say. */
  const looked = (id: string): void => {
    const { holders, waiters } = host.stateOf<Resource>('resource', id) ?? { holders: [], waiters: [] };
    const wakeAt = host.entities.get(`resource#${id}`)?.wakeAt ?? null;
    const expected = holders.length === 0 ? null : Math.min(...holders.map(({ until }) => until)) + grace;
    expect(wakeAt === expected, `${id}: wakes at ${wakeAt}, its first lease is over at ${expected}`);
    expect(holders.length <= (capacity[id] as number), `${id}: ${holders.length} hold it`);
    expect(waiters.length === 0 || holders.length === capacity[id], `${id}: ${waiters.length} wait for nobody`);
    for (const agent of agents) {
      const { holds, waits } = host.stateOf<Holdings>('holdings', agent) ?? NO_HOLDINGS;
      expect(holds[id] === holders.find((one) => one.agent === agent)?.token, `${id}: ${agent} holds ${holds[id]} by its own word`);
      expect(id in waits === waiters.some((one) => one.agent === agent), `${id}: ${agent} waits by one word only`);
    }
  };

  return {
    problems,
    seen,
    histories: new Map([...watched].map(([id, { history }]) => [id, history])),
    asked: (agent: string, id: string, now: number): void => {
      const { askedAt } = of(id);
      if (!askedAt.has(agent)) askedAt.set(agent, now);
    },
    /** `receiver`: of a transfer, past those who wait. */
    decided: (key: EntityKey, publish: readonly Output[], now: number, receiver?: string): void => {
      for (const { subject, body } of publish) if (subject.includes('.granted.')) told(body as ResourceGranted, now, receiver);
      if (kindOf(key) === 'resource') looked(idOf(key));
    },
    /** `until`: when it will stop by itself. */
    believes: (agent: string, id: string, token: number, now: number, until: number, stillHolds: () => boolean): void => {
      const one = of(id);
      const { believers, history } = one;
      believers.set(agent, { token, stillHolds });
      for (const [other, { stillHolds: does }] of believers) if (!does()) believers.delete(other);
      if (!isHonest) return;
      expect(believers.size <= (capacity[id] as number), `${id}: ${[...believers.keys()]} hold it at ${now}`);
      const acquire = history.find((op) => op.kind === 'acquire' && op.token === token);
      if (acquire?.return === Infinity) acquire.return = now;
      const end = endOf(id, token);
      if (end && one.holders.get(agent) === token) end.call = until;
    },
    stopped: (agent: string, id: string, now: number): void => {
      const { believers } = of(id);
      endNow(id, believers.get(agent)?.token ?? -1, now);
      believers.delete(agent);
    },
    checked: (id: string, op: Extract<LockOp, { kind: 'check' }>): void => {
      const one = of(id);
      one.history.push(op);
      if (!op.current) {
        one.refused.add(op.token);
        seen.stale++;
        return;
      }
      expect(!one.refused.has(op.token), `${id}: token ${op.token} stands again`);
      expect(capacity[id] !== 1 || op.token >= one.accepted, `${id}: a write with token ${op.token} after one with ${one.accepted}`);
      one.accepted = Math.max(one.accepted, op.token);
    },
    /** Once faults stop, everything ends. */
    ended: (isDone: boolean): void => {
      expect(isDone, 'agents wait for ever');
      for (const id of isDone ? watched.keys() : []) {
        const { holders, waiters } = host.stateOf<Resource>('resource', id) ?? { holders: [], waiters: [] };
        expect(holders.length + waiters.length === 0, `${id}: ${holders.length} hold it and ${waiters.length} wait in the end`);
      }
    },
  };
};
