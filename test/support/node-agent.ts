/**
 * An agent in Node, as a program: it says of itself what test/python/README.md asks for. What is odd about it the environment says:
 * `READY_AFTER_MS`, `EXIT_AT_START` (a code), `DEAF` (to SIGTERM), `HEARTBEAT_MS`. `cmd.config` changes its heartbeat while it runs,
 * and `cmd.execute` makes it exit with a code.
 */
import { setTimeout as later } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { connect, type Msg } from '@nats-io/transport-node';

const { AGENT_ID = 'a1', NATS_URL = '', INSTANCE_ID, SUPERVISOR_ID, RESTARTS } = process.env;
const { READY_AFTER_MS = '0', EXIT_AT_START, DEAF, HEARTBEAT_MS = '200', LAST_KNOWN, LAST_KNOWN_FILE } = process.env;

console.log(`started ${JSON.stringify({ pid: process.pid, RESTARTS, LAST_KNOWN, LAST_KNOWN_FILE })}`);
if (EXIT_AT_START) {
  console.error('there is no model');
  process.exit(Number(EXIT_AT_START));
}

const nc = await connect({ servers: NATS_URL, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
const say = (event: string, body: object = {}) =>
  jetstream(nc).publish(`agent.${AGENT_ID}.${event}`, JSON.stringify({ agent_id: AGENT_ID, instance_id: INSTANCE_ID, ...body }));

let beating: NodeJS.Timeout | undefined;
const beatEvery = (ms: number): void => {
  const beat = () => nc.publish(`agent.${AGENT_ID}.heartbeat`, JSON.stringify({ agent_id: AGENT_ID, status: 'ready' }));
  clearInterval(beating);
  beat();
  beating = setInterval(beat, ms);
};

const end = async (): Promise<void> => {
  await say('stopped', { reason: 'shutdown' });
  await nc.drain();
  process.exit(0);
};
process.on('SIGTERM', () => (DEAF ? console.log('hears nothing') : void end()));
nc.subscribe(`agent.${AGENT_ID}.cmd.shutdown`, { callback: () => void end() });
nc.subscribe(`agent.${AGENT_ID}.cmd.config`, {
  callback: (_, message) => beatEvery(message.json<{ heartbeat_ms: number }>().heartbeat_ms),
});
nc.subscribe(`agent.${AGENT_ID}.cmd.execute`, { callback: (_, message) => process.exit(message.json<{ exit: number }>().exit) });
const answer = (_: Error | null, message: Msg) => void message.respond(JSON.stringify({ agent_id: AGENT_ID, status: 'ready' }));
for (const checked of [AGENT_ID, 'all']) nc.subscribe(`health.check.${checked}`, { callback: answer });
await say('created', { domain: 'node', capabilities: ['echo'], ...(SUPERVISOR_ID && { supervisor: SUPERVISOR_ID }) });
await say('started');
await later(Number(READY_AFTER_MS));
await say('ready');
beatEvery(Number(HEARTBEAT_MS));
