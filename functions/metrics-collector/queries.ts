/** `control.metrics.query`: a metric of an agent or a component over time, what is not closed yet included. */
import type { Reader } from '#shared/entity/reader.ts';
import { type Answered, defineQuery } from '#shared/function/query.ts';
import { iso } from '#shared/iso.ts';
import { controlMetricsQuery } from '#shared/messages/control-supervision.ts';
import type { Received } from '#shared/messages/message.ts';
import {
  agentMetricsKind,
  CHILD_MS,
  childName,
  childSchema,
  componentMetricsKind,
  floorTo,
  type Measured,
  RESOLUTIONS,
  type Resolution,
  SIZE_MS,
} from '#shared/metrics/measured.ts';
import { type Bucket, mergeBuckets, type Rollup, toFigures } from '#shared/metrics/rollup.ts';

type Request = Received<typeof controlMetricsQuery>;

/** A point is about 200 bytes in the answer, which has to fit a message, and up to as many children are read. */
const MAX_POINTS = 720;
const DEFAULT_POINTS = 90;

type Range = { resolution: Resolution; from: number; to: number };
export type View = { measured: Measured | undefined; closed: Bucket[] };

/** The finest resolution whose points from then till now are not too many: what is older is not kept that fine, either. */
const resolutionFor = (from: number, now: number): Resolution =>
  RESOLUTIONS.find((resolution) => (now - from) / SIZE_MS[resolution] <= MAX_POINTS) ?? '1h';

/** In epoch ms. */
export const rangeOf = ({ body, sentAt: now }: Request): Range => {
  const to = body.to === undefined ? now : Date.parse(body.to);
  const span = DEFAULT_POINTS * SIZE_MS[body.resolution ?? '10s'];
  const from = body.from === undefined ? to - span : Date.parse(body.from);
  const resolution = body.resolution ?? resolutionFor(from, now);
  return { resolution, from, to };
};

const isAskable = ({ resolution, from, to }: Range): boolean => from <= to && (to - from) / SIZE_MS[resolution] <= MAX_POINTS;

const read = async (request: Request, reader: Reader): Promise<View> => {
  const { agent_id, component = '' } = request.body;
  const kind = agent_id === undefined ? componentMetricsKind : agentMetricsKind;
  const id = agent_id ?? component;
  const range = rangeOf(request);
  // Before its children: what is closed in between is in both, and counts as open.
  const measured = (await reader.load(kind, [id])).get(id);
  if (!isAskable(range)) return { measured, closed: [] };
  const { resolution, from, to } = range;
  const size = CHILD_MS[resolution];
  const after = childName(resolution, floorTo(from, size) - 1);
  const children = await reader.children(kind, id, `${resolution}/`, { after, limit: Math.ceil((to - from) / size) + 2 });
  return { measured, closed: [...children.values()].flatMap((child) => childSchema.parse(child)) };
};

/** What is not closed, as buckets of the resolution. */
const openBuckets = ({ open, hour }: Measured, resolution: Resolution): Bucket[] => {
  const size = SIZE_MS[resolution];
  const parts = resolution === '1h' && hour ? [...open, hour] : open;
  return [...Map.groupBy(parts, ({ start }) => floorTo(start, size))].map(([start, buckets]) => mergeBuckets(start, buckets));
};

const answer = ({ measured, closed }: View, request: Request): Answered => {
  const { metric, agent_id, component } = request.body;
  const [whose, subject] =
    agent_id === undefined ? [`component ${component}`, `system.${component}`] : [`agent ${agent_id}`, `agent.${agent_id}`];
  if (!measured) return refused('not_found', `nothing was measured of ${whose}: publish metrics.${subject}.<metric>`);
  const range = rangeOf(request);
  const { resolution, from, to } = range;
  if (!isAskable(range)) return refused('bad_range', rangeProblem(range));
  // Of a bucket that lies in part in the range, all is in.
  const first = floorTo(from, SIZE_MS[resolution]);
  const buckets = new Map([...closed, ...openBuckets(measured, resolution)].map((bucket) => [bucket.start, bucket]));
  const points = [...buckets.values()]
    .filter(({ start, rollups }) => start >= first && start <= to && Object.hasOwn(rollups, metric))
    .sort((a, b) => a.start - b.start)
    .map(({ start, rollups }) => ({ at: iso(start), ...toFigures(rollups[metric] as Rollup) }));
  const names = namesOf([...closed, ...measured.open, ...(measured.hour ? [measured.hour] : [])]);
  if (points.length === 0 && !names.includes(metric))
    return refused('not_found', `${whose} has no metric ${metric} from ${iso(from)} to ${iso(to)}: it has ${names.join(', ') || 'none'}`);
  const { late: late_samples, refused: refused_samples } = measured;
  return {
    body: { ...(agent_id === undefined ? { component } : { agent_id }), metric, resolution, points, late_samples, refused_samples },
  };
};

const refused = (code: string, message: string): Answered => ({ error: { code, message } });

const rangeProblem = ({ resolution, from, to }: Range): string => {
  if (from > to) return `from (${iso(from)}) is after to (${iso(to)}): exchange them`;
  const points = Math.ceil((to - from) / SIZE_MS[resolution]);
  return `that would be ${points} points of ${resolution}, an answer has at most ${MAX_POINTS}: ask for less time or a coarser resolution`;
};

const namesOf = (buckets: readonly Bucket[]): string[] => [...new Set(buckets.flatMap(({ rollups }) => Object.keys(rollups)))].sort();

export const query = defineQuery({ message: controlMetricsQuery, read, answer });
