/** What the bridge's user may do: what the manifest needs, and nothing else. */
import type { Binding, FunctionEntry, Manifest } from '../bridge/manifest/manifest.ts';
import { TIMERS_STREAM } from '../bridge/publish/timers.ts';
import { ADVISORY_STREAM } from '../bridge/queues/given-up.ts';
import { WORK_STREAM } from '../bridge/queues/work-queue.ts';
import { inboxPrefix, type Permissions } from './permissions.ts';
import { fewest } from './subject-filters.ts';

/** What is read at the start, whatever the functions are. */
const ALWAYS = ['$JS.API.INFO', '$JS.API.STREAM.LIST', '$JS.API.STREAM.NAMES'];
const BUCKETS = ['BRIDGE_LEASES', 'BRIDGE_STATE'];

const subjectsOf = ({ bindings }: FunctionEntry, ...kinds: Binding['source']['kind'][]): string[] =>
  bindings.flatMap(({ source }) => (kinds.includes(source.kind) ? source.subjects : []));

/** Makes and reads the queues of work, and takes out what was given up; it takes no work. */
const QUEUES = [
  ...['INFO', 'MSG.GET', 'MSG.DELETE'].map((verb) => `$JS.API.STREAM.${verb}.${WORK_STREAM}`),
  `$JS.API.CONSUMER.LIST.${WORK_STREAM}`,
  `$JS.API.CONSUMER.CREATE.${WORK_STREAM}.*.work.>`,
];

/** Reads a stream and has consumers on it. */
const consuming = (stream: string): string[] => [
  `$JS.API.STREAM.INFO.${stream}`,
  `$JS.API.STREAM.MSG.GET.${stream}`,
  `$JS.API.DIRECT.GET.${stream}`,
  `$JS.API.DIRECT.GET.${stream}.>`,
  `$JS.API.CONSUMER.CREATE.${stream}.>`,
  `$JS.API.CONSUMER.CREATE.${stream}`,
  `$JS.API.CONSUMER.DURABLE.CREATE.${stream}.*`,
  `$JS.API.CONSUMER.INFO.${stream}.*`,
  `$JS.API.CONSUMER.DELETE.${stream}.*`,
  `$JS.API.CONSUMER.MSG.NEXT.${stream}.*`,
  `$JS.ACK.${stream}.>`,
];

/** Reads and writes the entries of a bucket. */
const keeping = (bucket: string): string[] => [
  `$JS.API.STREAM.INFO.KV_${bucket}`,
  `$JS.API.STREAM.MSG.GET.KV_${bucket}`,
  `$JS.API.DIRECT.GET.KV_${bucket}`,
  `$JS.API.DIRECT.GET.KV_${bucket}.>`,
  `$KV.${bucket}.>`,
];

/** `watched`: the streams in which the bridge looks for what no function sees. */
export const bridgePermissions = ({ functions }: Manifest, watched: readonly string[]): Permissions => {
  const streams = functions.flatMap(({ bindings }) => bindings.flatMap(({ source }) => (source.kind === 'jetstream' ? source.stream : [])));
  const read = new Set([...streams, ...watched, TIMERS_STREAM, ADVISORY_STREAM]);
  return {
    publish: fewest([
      ...ALWAYS,
      ...[...read].flatMap(consuming),
      ...QUEUES,
      ...BUCKETS.flatMap(keeping),
      `$JS.API.STREAM.PURGE.${TIMERS_STREAM}`,
      ...functions.flatMap(({ publishes }) => publishes),
      ...functions.flatMap(({ name }) => [`timers.set.${name}.>`, `timers.due.${name}.>`]),
      'dlq.>',
      // Where requests are answered, now or later: in this account, and across accounts.
      '_INBOX.>',
      '_R_.>',
    ]),
    subscribe: fewest([
      ...functions.flatMap((fn) => subjectsOf(fn, 'core', 'request')),
      'control.>',
      '$SRV.>',
      '$KV.BRIDGE_LEASES.>',
      // One for all bridges, so that credentials of another id can take over.
      `${inboxPrefix('bridge')}.>`,
    ]),
  };
};
