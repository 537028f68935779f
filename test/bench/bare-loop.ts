/**
 * The least that keeps state of health events: consume, put in lanes by agent, one batch read and one conditional write an
 * agent and batch, ack. No protocol, no functions, no retries: what the bridge and the engine are measured against.
 */
import { BatchGetItemCommand, type DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { AckPolicy, type JsMsg, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';

const LANES = 4;
const BATCH = 1000;

const laneOf = (text: string): number => {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (hash * 31 + text.charCodeAt(i)) | 0;
  return (hash >>> 0) % LANES;
};

export type Loop = {
  nc: NatsConnection;
  client: DynamoDBClient;
  tableName: string;
  stream: string;
  filter: string;
  run: string;
  total: number;
};

/** Milliseconds from the first delivery to the last ack, and how many items were written. */
export const bareLoop = async ({ nc, client, tableName, stream, filter, run, total }: Loop): Promise<{ ms: number; writes: number }> => {
  const manager = await jetstreamManager(nc);
  const durable = `bare-${run}`;
  await manager.consumers.add(stream, {
    durable_name: durable,
    filter_subject: filter,
    ack_policy: AckPolicy.Explicit,
    max_ack_pending: 20_000,
  });
  let writes = 0;

  const handle = async (batch: JsMsg[]): Promise<void> => {
    const byAgent = Map.groupBy(
      batch.map((message) => message.json<{ agent_id: string; metrics: unknown }>()),
      (event) => event.agent_id,
    );
    const stored = new Map<string, Record<string, { N?: string; S?: string }>>();
    const keys = [...byAgent.keys()].map((agent) => ({ pk: { S: `bare-${run}#${agent}` }, sk: { S: 'state' } }));
    for (let i = 0; i < keys.length; i += 100) {
      const Keys = keys.slice(i, i + 100);
      const { Responses } = await client.send(new BatchGetItemCommand({ RequestItems: { [tableName]: { ConsistentRead: true, Keys } } }));
      for (const item of Responses?.[tableName] ?? []) stored.set(item.pk?.S as string, item as Record<string, { S?: string }>);
    }
    await Promise.all(
      [...byAgent].map(async ([agent, events]) => {
        const pk = `bare-${run}#${agent}`;
        const before = stored.get(pk);
        const version = Number(before?.version?.N ?? 0);
        const state = before ? (JSON.parse(before.state?.S as string) as { count: number }) : { count: 0 };
        writes++;
        await client.send(
          new PutItemCommand({
            TableName: tableName,
            Item: {
              pk: { S: pk },
              sk: { S: 'state' },
              version: { N: String(version + 1) },
              state: { S: JSON.stringify({ count: state.count + events.length, last: events.at(-1)?.metrics }) },
            },
            ConditionExpression: version ? 'version = :v' : 'attribute_not_exists(pk)',
            ...(version && { ExpressionAttributeValues: { ':v': { N: String(version) } } }),
          }),
        );
      }),
    );
    for (const message of batch) message.ack();
  };

  const lanes = Array.from({ length: LANES }, () => ({ queue: [] as JsMsg[], busy: false }));
  const messages = await (await jetstream(nc).consumers.get(stream, durable)).consume({ max_messages: 10_000 });
  let started = 0;
  let done = 0;
  await new Promise<void>((resolve, reject) => {
    const pump = async (lane: (typeof lanes)[number]): Promise<void> => {
      if (lane.busy || lane.queue.length === 0) return;
      lane.busy = true;
      const batch = lane.queue.splice(0, BATCH);
      await handle(batch);
      done += batch.length;
      lane.busy = false;
      if (done >= total) resolve();
      else setImmediate(() => pump(lane).catch(reject));
    };
    const read = async () => {
      for await (const message of messages) {
        started ||= performance.now();
        const lane = lanes[laneOf(message.subject)] as (typeof lanes)[number];
        lane.queue.push(message);
        pump(lane).catch(reject);
      }
    };
    read().catch(reject);
  });
  await nc.flush();
  const ms = performance.now() - started;
  await messages.close();
  await manager.consumers.delete(stream, durable);
  return { ms, writes };
};
