/**
 * The orders to restart, each once. They come by a plain subscription, because a supervisor in an account of its own reaches no
 * consumer of the stream that keeps them. What a broken connection swallowed is asked for when it is back: the last order of the
 * stream, which is the one that still counts, as orders go out one at a time and again until the agent is ready. An order from
 * before this process said that it started is not for it.
 */
import { jetstreamManager } from '@nats-io/jetstream';
import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import { explainIssue } from '#shared/messages/explain.ts';
import { type SupervisorRestart, supervisorRestart } from '#shared/messages/supervisor.ts';
import { buildSubject } from '#shared/subjects.ts';

export type RestartOrders = {
  supervisorId: string;
  /** The stream's sequence of what this process said when it started; undefined: it has not yet. */
  since(): number | undefined;
  obey(agentId: string, order: SupervisorRestart): void;
  log(sentence: string): void;
};

/** ms. A recovery is over by then: the agent that it was about may be well. */
const STALE_MS = 30_000;
/** Orders that are remembered, so that the same one twice is one. */
const MOST = 1000;

type Carried = { headers?: MsgHdrs | undefined; data: Uint8Array };

const jsonOf = (data: Uint8Array): unknown => {
  try {
    return JSON.parse(new TextDecoder().decode(data));
  } catch {
    return undefined;
  }
};

/** Which order it is for an agent; an order without a recovery is known by its message. */
const nameOf = (agentId: string, { recovery_id, attempt = 1 }: SupervisorRestart, headers: MsgHdrs | undefined): string | undefined => {
  const which = recovery_id ?? headers?.get('Nats-Msg-Id');
  return which ? `${which} ${attempt} ${agentId}` : undefined;
};

/** Resolves when the server knows that it listens. Ends with the connection. */
export const hearRestartOrders = async (nc: NatsConnection, { supervisorId, since, obey, log }: RestartOrders): Promise<void> => {
  const subject = buildSubject(supervisorRestart.subject, { supervisor_id: supervisorId });
  const obeyed = new Set<string>();
  const isNew = (name: string | undefined): boolean => {
    if (name === undefined) return true;
    if (obeyed.has(name)) return false;
    obeyed.add(name);
    if (obeyed.size > MOST) obeyed.delete(obeyed.values().next().value ?? '');
    return true;
  };
  const take = ({ data, headers }: Carried): void => {
    const body = jsonOf(data);
    const parsed = supervisorRestart.body.safeParse(body);
    if (parsed.success) {
      for (const agentId of parsed.data.agent_ids) if (isNew(nameOf(agentId, parsed.data, headers))) obey(agentId, parsed.data);
    } else log(`an order at ${subject} is not obeyed: ${explainIssue(body, parsed.error.issues)}`);
  };
  const catchUp = async (): Promise<void> => {
    const manager = await jetstreamManager(nc, { checkAPI: false });
    const last = await manager.direct.getMessage(supervisorRestart.by, { last_by_subj: subject });
    const from = since();
    if (last && from !== undefined && last.seq > from && Date.now() - last.time.getTime() < STALE_MS)
      take({ data: last.data, headers: last.header });
  };

  nc.subscribe(subject, { callback: (error, message: Msg) => (error ? log(`orders cannot be heard: ${error.message}`) : take(message)) });
  await nc.flush();
  void (async () => {
    // Where it may not be asked for, the next attempt comes.
    for await (const { type } of nc.status()) if (type === 'reconnect') await catchUp().catch(() => undefined);
  })();
};
