/**
 * A supervisor's process: it says who its children are, starts them in order, tells of those that die, and restarts whom it is told
 * to. What is restarted, when and how often is decided elsewhere (docs/supervision.md), so it keeps no state.
 */
import { setTimeout as later } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { commandShutdown } from '#shared/messages/command.ts';
import { agentReady, agentStopped } from '#shared/messages/lifecycle.ts';
import type { SupervisorRestart } from '#shared/messages/supervisor.ts';
import { buildSubject } from '#shared/subjects.ts';
import { type Agent, createAgent, type Surroundings } from './agent.ts';
import type { Fleet } from './fleet.ts';
import { createOutbox } from './outbox.ts';
import { hearRestartOrders } from './restart-orders.ts';
import { notRestarted, started, stopped } from './tell.ts';
import { startWatchdog } from './watchdog.ts';

/** ms. The next one is started then, whether it is ready or not. */
const START_MS = 10_000;
/** ms. What is left to say when it ends is given up after so long. */
const GOODBYE_MS = 3000;

export type Supervision = {
  /** In reverse order; resolves when all have ended and it has said so. */
  stop(): Promise<void>;
  /** Everything at once. */
  kill(): void;
};

type World = Pick<Surroundings, 'nc' | 'natsUrl' | 'say' | 'print'>;

const instanceIn = (data: Uint8Array): string | undefined => {
  try {
    const { instance_id } = JSON.parse(new TextDecoder().decode(data)) as { instance_id?: string };
    return instance_id;
  } catch {
    return undefined;
  }
};

const listenTo = (nc: NatsConnection, agent: Agent, isMute: boolean): void => {
  for (const [event, { subject }] of [['ready', agentReady] as const, ['stopped', agentStopped] as const])
    nc.subscribe(buildSubject(subject, { agent_id: agent.id }), {
      callback: (error, { data }) => {
        if (!error) agent.heard(event, instanceIn(data));
      },
    });
  if (!isMute) return;
  // Who speaks NATS obeys it itself.
  nc.subscribe(buildSubject(commandShutdown.subject, { agent_id: agent.id }), {
    callback: (error) => {
      if (!error) agent.happen({ is: 'shutdown' });
    },
  });
};

/** Resolves when it is ready, has ended, or `START_MS` have passed. */
const untilStarted = async (agent: Agent, say: World['say']): Promise<void> => {
  const patience = new AbortController();
  const late = later(START_MS, true, { signal: patience.signal }).catch(() => false);
  if (await Promise.race([agent.reached('ready', 'down').then(() => false), late]))
    say(`${agent.id} has not said agent.${agent.id}.ready within ${START_MS / 1000} s: going on without it`);
  patience.abort();
};

/** Resolves when it listens; its children start as soon as its first word is acknowledged. */
export const supervise = async (fleet: Fleet, { nc, natsUrl, say, print }: World): Promise<Supervision> => {
  const [outbox, watchdog] = [createOutbox(nc, say), startWatchdog()];
  const surroundings = { nc, natsUrl, outbox, watchdog, supervisorId: fleet.id, domain: fleet.domain, say, print };
  const { restart, shutdown_ms, heartbeat } = fleet;
  const specs = fleet.agents.map((spec) => ({ restart, shutdown_ms, heartbeat, ...spec }));
  const agents = specs.map((spec) => createAgent(spec, surroundings));
  let since: number | undefined;
  let stopping: Promise<void> | undefined;
  /** An order for several restarts them one after another, as it names them. */
  let turn: Promise<void> = Promise.resolve();

  const restartOne = async (agent: Agent, order: SupervisorRestart): Promise<void> => {
    if (stopping) return;
    const { recovery_id: recoveryId, attempt, reason, shutdown_ms: shutdownMs } = order;
    say(`told to restart ${agent.id}${attempt === undefined ? '' : ` (attempt ${attempt})`}${reason ? `: ${reason}` : ''}`);
    agent.happen({ is: 'order', order: { recoveryId, attempt, reason, shutdownMs, lastKnown: order.last_known?.[agent.id] } });
    await untilStarted(agent, say);
  };
  const obey = (agentId: string, order: SupervisorRestart): void => {
    const agent = agents.find(({ id }) => id === agentId);
    if (agent && order.agent_ids.length === 1) return void restartOne(agent, order);
    if (agent) turn = turn.then(() => restartOne(agent, order));
    else {
      const why = `supervisor ${fleet.id} has no agent ${agentId}: it has ${agents.map(({ id }) => id).join(', ')}`;
      say(`told to restart ${agentId}, which is none of its agents`);
      void outbox.post(notRestarted(fleet.id, agentId, { attempt: order.attempt, recoveryId: order.recovery_id }, why));
    }
  };
  const start = async (): Promise<void> => {
    since = await outbox.post(started(fleet));
    for (const agent of agents) {
      if (stopping) return;
      agent.happen({ is: 'start' });
      await untilStarted(agent, say);
    }
    if (!stopping) say(`all are started: ${agents.length} ${agents.length === 1 ? 'agent' : 'agents'}`);
  };
  const stopAll = async (): Promise<void> => {
    for (const agent of agents.toReversed()) {
      agent.happen({ is: 'stop' });
      await agent.reached('down');
      await agent.told();
    }
    // Who was never told of is not taken leave of.
    if (since !== undefined) await Promise.race([outbox.post(stopped(fleet)), later(GOODBYE_MS)]);
    outbox.close();
    watchdog.close();
  };

  for (const [n, agent] of agents.entries()) listenTo(nc, agent, specs[n]?.heartbeat !== undefined);
  await hearRestartOrders(nc, { supervisorId: fleet.id, since: () => since, obey, log: say });
  void start();
  return {
    stop: () => {
      stopping ??= stopAll();
      return stopping;
    },
    kill: () => {
      for (const agent of agents) agent.kill();
    },
  };
};
