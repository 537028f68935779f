/** `npm run nats:apply`: brings the streams and buckets of the servers at NATS_URL to what `streams.ts` says. */
import { parseArgs } from 'node:util';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import * as z from 'zod';
import { checkEnvironment, type Environment, refuse, wholeNumber } from '../settings.ts';
import { carryOut, checkServer, planStreams, type StreamPlan, StreamsError } from './apply.ts';
import { runCommand } from './command.ts';
import { connectTo } from './connect.ts';
import { describePlan, size } from './describe-plan.ts';
import { NATS_HELP, natsAddress, natsConflicts, natsUrl, natsVariables } from './nats-settings.ts';
import { cannotHold, roomFor } from './probe.ts';
import { applyQueues, describeQueues, planQueues } from './queues.ts';
import { type StreamSpec, streams } from './streams.ts';
import { overlap } from './subject-filters.ts';
import { WORK_HELP, workConflicts, workSubjects, workVariables } from './work-settings.ts';

const HELP = `npm run nats:apply [-- --plan] [-- --delete-data]

Creates and changes the streams, buckets and queues of work of the product. What stands already and is right is left alone; no
message is deleted unless --delete-data says so.

  --plan         shows what would be done, and does nothing
  --delete-data  may delete messages: by a tighter limit, or with a stream that has to be made anew

  NATS_URL      the NATS servers, divided by commas (needed; 2.12 or later, JetStream)
${NATS_HELP}
  REPLICAS      of each stream (3; 1 to 5)
  BYTES         what all streams may take together on a server, such as 50GB (what production reserves)
${WORK_HELP}`;

const UNITS = { MB: 1e6, GB: 1e9, TB: 1e12 };

const variables = z.object({
  ...natsVariables,
  ...workVariables,
  NATS_URL: natsUrl,
  REPLICAS: wholeNumber(3, [1, 5], 'replicas'),
  BYTES: z
    .string()
    .regex(/^[1-9]\d{0,5}(MB|GB|TB)$/, 'is no size: write 500MB, 50GB or 1TB')
    .transform((text) => Number(text.slice(0, -2)) * UNITS[text.slice(-2) as keyof typeof UNITS])
    .default(Number.POSITIVE_INFINITY),
});

/** A stream of somebody else that stores what ours are to store: the server would refuse halfway. */
const checkForeign = async (manager: JetStreamManager, wanted: readonly StreamSpec[]): Promise<void> => {
  const own = new Set(wanted.map(({ name }) => name));
  for await (const { config } of manager.streams.list()) {
    if (own.has(config.name)) continue;
    for (const { name, subjects } of wanted)
      for (const [foreign, subject] of (config.subjects ?? []).flatMap((foreign) => subjects.map((subject) => [foreign, subject] as const)))
        if (overlap(foreign, subject))
          throw new StreamsError(
            `the stream ${config.name} stores ${foreign}, which overlaps with ${subject} of ${name}: remove that subject from ${config.name}, or delete it`,
          );
  }
};

/** Servers refuse a stream that finds no room: halfway, if they were not asked before. */
const checkRoom = async (manager: JetStreamManager, plan: readonly StreamPlan[], replicas: number): Promise<void> => {
  const bytes = roomFor(plan);
  const why = await cannotHold(manager, replicas, bytes);
  if (!why) return;
  const what = `${replicas} ${replicas === 1 ? 'replica' : 'replicas'}${bytes > 0 ? ` of ${size(bytes)}` : ''}`;
  throw new StreamsError(`the servers cannot hold ${what} (${why}): add disks or servers, or set BYTES or REPLICAS to less`);
};

/** Rejects with an error of one sentence. */
export const apply = async (args: string[], say: (line: string) => void, environment: Environment = process.env): Promise<void> => {
  const { values } = parseArgs({ args, options: { plan: { type: 'boolean' }, 'delete-data': { type: 'boolean' } } });
  const { settings, mistakes } = checkEnvironment(variables, environment);
  const wrong = [...mistakes, ...natsConflicts(environment), ...(settings ? workConflicts(settings) : [])];
  if (!settings || wrong.length > 0) return refuse(wrong);
  const connection = await connectTo({ ...natsAddress(settings, settings.NATS_URL), name: 'nats:apply' });
  try {
    await checkServer(connection);
    const manager = await jetstreamManager(connection);
    const wanted = streams({ replicas: settings.REPLICAS, bytes: settings.BYTES }, workSubjects(settings));
    await checkForeign(manager, wanted);
    const plan = await planStreams(manager, wanted, values['delete-data']);
    const queues = await planQueues(manager, settings.WORK_DOMAINS);
    const changed = describePlan(plan);
    const lines = [...changed, ...describeQueues(queues)];
    if (changed.length > 0) await checkRoom(manager, plan, settings.REPLICAS);
    for (const line of lines.length > 0 ? lines : ['nothing to change']) say(line);
    if (values.plan || lines.length === 0) return;
    const { created, updated } = await carryOut(manager, plan, () => undefined);
    const done = await applyQueues(manager, queues);
    say(`${created.length + done.created} created, ${updated.length + done.updated} changed`);
  } finally {
    await connection.close();
  }
};

if (import.meta.main) await runCommand(HELP, apply);
