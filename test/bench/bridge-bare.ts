/** The least that calls a function with what is on a stream: consume, call, ack. What goes wrong ends it. */
import { Agent, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { AckPolicy, type JsMsg, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, nanos } from '@nats-io/transport-node';
import { childSettings, serveParent } from './bridge-child.ts';
import { ACK_WAIT_MS, durableOf, LANES, MAX_ACK_PENDING, STREAM, type Task } from './bridge-contender.ts';

const { nats, endpoint, target, batch, name } = childSettings<Task>();
const agent = new Agent({ keepAlive: true });
const call = (body: string): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const url = `${endpoint}/2015-03-31/functions/${target}/invocations`;
    const sent = request(url, { agent, method: 'POST', headers: { 'Content-Length': Buffer.byteLength(body) } });
    sent.on('response', (response) => buffer(response).then((answer) => resolve(JSON.parse(answer.toString())), reject));
    sent.on('error', reject).end(body);
  });

const nc = await connect({ servers: nats });
await (await jetstreamManager(nc)).consumers.add(STREAM, {
  durable_name: durableOf(name),
  ack_policy: AckPolicy.Explicit,
  ack_wait: nanos(ACK_WAIT_MS),
  max_ack_pending: MAX_ACK_PENDING,
});
const messages = await (await jetstream(nc).consumers.get(STREAM, durableOf(name))).consume({ max_messages: 4000 });
serveParent(name);

const waiting: JsMsg[] = [];
let inFlight = 0;
const pump = async (): Promise<void> => {
  if (inFlight >= LANES || waiting.length === 0) return;
  inFlight++;
  const taken = waiting.splice(0, batch);
  await call(JSON.stringify({ Records: taken.map((message) => ({ subject: message.subject, data: message.string() })) }));
  for (const message of taken) message.ack();
  inFlight--;
  void pump();
};
for await (const message of messages) {
  waiting.push(message);
  if (waiting.length >= batch || inFlight === 0) void pump();
}
