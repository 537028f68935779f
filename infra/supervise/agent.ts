/** One agent: its life (`agent-process.ts`) with a real process, and what is said of it. */
import { randomUUID } from 'node:crypto';
import type { NatsConnection } from '@nats-io/transport-node';
import { agentHeartbeat } from '#shared/messages/lifecycle.ts';
import { buildSubject } from '#shared/subjects.ts';
import { type Deed, describeEnd, type End, type Happening, type Order, type Phase, step } from './agent-process.ts';
import { type Child, startChild } from './child.ts';
import type { AgentSpec } from './fleet.ts';
import { handOver } from './hand-over.ts';
import type { Outbox } from './outbox.ts';
import { agentEnded, crashed, introduced, notRestarted, type Run } from './tell.ts';
import type { Watchdog } from './watchdog.ts';

export type Surroundings = {
  nc: NatsConnection;
  /** As the agents are to reach NATS. */
  natsUrl: string;
  outbox: Outbox;
  watchdog: Watchdog;
  supervisorId: string;
  domain?: string | undefined;
  /** Of its own, and what an agent printed. */
  say(sentence: string): void;
  print(agentId: string, line: string): void;
};

export type Agent = {
  id: string;
  happen(happening: Happening): void;
  /** It spoke of itself; undefined: it did not say which run of it. */
  heard(event: 'ready' | 'stopped', instanceId: string | undefined): void;
  /** Resolves at the first phase that is one of these. */
  reached(...phases: Phase['is'][]): Promise<void>;
  /** Resolves when what there was to say of its end is on its way. */
  told(): Promise<void>;
  kill(): void;
};

const DEFAULT_SHUTDOWN_MS = 5000;
/** ms. So long what it said of itself may take to come here. */
const LAST_WORD_MS = 1000;

export const createAgent = (spec: AgentSpec, world: Surroundings): Agent => {
  const { nc, outbox, say, supervisorId, domain } = world;
  const { id } = spec;
  let phase: Phase = { is: 'down' };
  let child: Child | undefined;
  let run: Run = { agentId: id, supervisorId, domain, instanceId: '' };
  let startedAt = 0;
  let starts = 0;
  /** The run that said itself that it stopped. */
  let goodbye: string | undefined;
  let telling: Promise<void> = Promise.resolve();
  const waiting = new Set<() => void>();

  const happen = (happening: Happening): void => {
    const next = step(phase, happening);
    phase = next.phase;
    if (happening.is === 'ready' && next.phase.is === 'ready') say(`${id} is ready`);
    for (const deed of next.deeds) perform(deed);
    for (const look of waiting) look();
  };

  const beat = (mine: Child): void => {
    const subject = buildSubject(agentHeartbeat.subject, { agent_id: id });
    const say = () => !mine.isStopped() && !nc.isClosed() && nc.publish(subject, JSON.stringify({ agent_id: id, status: 'ready' }));
    const timer = setInterval(say, (spec.heartbeat ?? 0) * 1000);
    void mine.ended.then(() => clearInterval(timer));
    say();
  };

  const spawn = (order: Order | undefined): void => {
    run = { ...run, instanceId: randomUUID().replaceAll('-', '') };
    startedAt = Date.now();
    const last = handOver(order?.lastKnown);
    const env = {
      ...process.env,
      NATS_URL: world.natsUrl,
      ...spec.env,
      ...last.env,
      AGENT_ID: id,
      SUPERVISOR_ID: supervisorId,
      INSTANCE_ID: run.instanceId,
      RESTARTS: String(starts++),
    };
    const mine = startChild({ command: spec.command, env, line: (line) => world.print(id, line), watchdog: world.watchdog });
    child = mine;
    if (mine.pid !== undefined) say(`${id} started, pid ${mine.pid}`);
    void mine.ended.then((end) => {
      last.remove();
      say(`${id} ${describeEnd(end)}`);
      happen({ is: 'ended', end });
    });
    if (spec.heartbeat === undefined || mine.pid === undefined) return;
    for (const letter of introduced(run)) void outbox.post(letter);
    beat(mine);
    queueMicrotask(() => happen({ is: 'ready' }));
  };

  const tellStopped = async (reason: 'normal' | 'shutdown', mine: Run): Promise<void> => {
    // What it said before it ended is here after the server's answer.
    await Promise.race([nc.flush().catch(() => undefined), new Promise((resolve) => setTimeout(resolve, LAST_WORD_MS))]);
    if (goodbye !== mine.instanceId) void outbox.post(agentEnded(mine, reason));
  };

  const tellCrash = async (end: End): Promise<void> => {
    const now = Date.now();
    const stored = await outbox.post(crashed(run, end, { stderr: child?.tail() ?? '', uptimeMs: now - startedAt, at: now }));
    if (stored !== undefined) say(`the failure of ${id} is reported`);
  };

  const perform = (deed: Deed): void => {
    switch (deed.do) {
      case 'spawn':
        spawn(deed.order);
        break;
      case 'terminate':
        child?.terminate(deed.order?.shutdownMs ?? spec.shutdown_ms ?? DEFAULT_SHUTDOWN_MS);
        break;
      case 'tell_crash':
        void tellCrash(deed.end);
        break;
      case 'tell_stopped':
        telling = tellStopped(deed.reason, run);
        break;
      case 'tell_not_restarted':
        say(`${id} is not restarted: ${deed.why}`);
        void outbox.post(notRestarted(supervisorId, id, deed.order, deed.why));
        break;
      default:
        deed satisfies never;
    }
  };

  return {
    id,
    happen,
    heard(event, instanceId) {
      if (instanceId !== undefined && instanceId !== run.instanceId) return;
      if (event === 'stopped') goodbye = run.instanceId;
      else if (phase.is === 'starting') happen({ is: 'ready' });
    },
    reached: (...phases) =>
      new Promise((resolve) => {
        const look = () => {
          if (!phases.includes(phase.is)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    told: () => telling,
    kill: () => child?.kill(),
  };
};
