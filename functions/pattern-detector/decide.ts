/**
 * Finds patterns among the failures of the fleet: an agent that fails too often (failure_spike), failures that spread along the
 * supervision tree or declared dependencies (cascading_failure), a zone that falls silent (network_partition). docs/supervision.md says
 * how. One entity sees them all, since two of the three are about several agents; what they show goes on as an episode until nothing
 * joins it any more, and a partition until most of its agents are heard of again.
 */
import { contentId } from '#shared/content-id.ts';
import { type Alarm, type Context, type Decision, defineEntity, done } from '#shared/entity/entity.ts';
import type { Reader } from '#shared/entity/reader.ts';
import type { Received } from '#shared/messages/message.ts';
import { failure } from '#shared/messages/supervision.ts';
import { type Agent, agentKind } from '#shared/registry/agent.ts';
import { type Places, readPlaces } from '#shared/supervision/tree.ts';
import { CENSUS_EVERY_MS, type Census, readCensus } from './census.ts';
import { type Episode, joined } from './episode.ts';
import { found } from './found.ts';
import { factsOf } from './links.ts';
import { type Failed, NO_OUTBREAK, OUTBREAK, type Outbreak, outbreakKind, remember } from './outbreak.ts';
import { report } from './outputs.ts';
import type { Settings } from './settings.ts';

type Event = Received<typeof failure> | Alarm;

export type View = { agents: ReadonlyMap<string, Agent>; where: Places; census?: Census };
type OutbreakContext = Context<Settings, View>;

export const decide = (before: Outbreak | undefined, event: Event, context: OutbreakContext): Decision<Outbreak> => {
  if (event.message !== 'alarm') return fail(before ?? NO_OUTBREAK, event, context);
  const due = context.wakeAt !== null && context.now >= context.wakeAt;
  return before && due ? say(before, context) : done();
};

const fail = (before: Outbreak, { body, sentAt }: Received<typeof failure>, context: OutbreakContext): Decision<Outbreak> => {
  const { agents, where } = context.view;
  const silent = body.failure_type === 'timeout_failure' || body.failure_type === 'network_partition';
  const failed: Failed = {
    key: contentId(body.event_id ?? (body.detection_time === undefined ? context.recordId : body)).slice(0, 8),
    agent: body.agent_id,
    at: sentAt,
    silent,
  };
  if (before.keys.includes(failed.key)) return done();
  const census = context.view.census ?? before.census;
  const facts = factsOf(agents.get(body.agent_id)?.profile, where);
  const outbreak = { ...remember(before, failed, facts, context.settings.windowMs), ...(census && { census }) };
  const findings = found(outbreak, failed, census, context.settings, cutOff(before));
  const episodes = findings.reduce((open, finding) => joined(open, finding, sentAt, context.newId), outbreak.episodes);
  return say({ ...outbreak, episodes }, context);
};

/** Says what is new, and of what is over that it is. */
const say = (outbreak: Outbreak, context: OutbreakContext): Decision<Outbreak> => {
  const { quietMs } = context.settings;
  const isQuiet = ({ lastAt }: Episode): boolean => context.now >= lastAt + quietMs;
  const lasts = (episode: Episode): Episode =>
    isQuiet(episode) && isCutOff(episode, context) ? { ...episode, lastAt: context.now } : episode;
  const { open, publish, sayAt } = report(outbreak.episodes.map(lasts), isQuiet, context);
  const at = Math.min(sayAt, ...open.map(({ lastAt }) => lastAt + quietMs));
  return done({ state: { ...outbreak, episodes: open }, publish, wakeAt: Number.isFinite(at) ? at : null });
};

/** Of a partition: most of its agents are still silent. */
const isCutOff = ({ pattern, agents }: Episode, { view }: OutbreakContext): boolean =>
  pattern === 'network_partition' && agents.filter((id) => view.agents.get(id)?.responsive === false).length > agents.length / 2;

/** Registry and tree are asked beside the failures so far: an episode that decides waits for nothing that it does not need. */
const read = async (events: readonly Event[], reader: Reader): Promise<View> => {
  const failures = events.flatMap((event) => (event.message === 'alarm' ? [] : event));
  const ids = [...new Set(failures.map(({ body }) => body.agent_id))];
  const [outbreaks, agents, where] = await Promise.all([
    reader.load(outbreakKind, [OUTBREAK]),
    reader.load(agentKind, ids),
    readPlaces(reader, ids),
  ]);
  const before = outbreaks.get(OUTBREAK) ?? NO_OUTBREAK;
  if (failures.length === 0) return { agents: await reader.load(agentKind, cutOff(before)), where };
  const at = Math.max(...failures.map(({ sentAt }) => sentAt));
  const several = new Set([...before.fleet.map(([id]) => id), ...ids]).size > 2;
  const stale = at - (before.census?.at ?? Number.NEGATIVE_INFINITY) > CENSUS_EVERY_MS;
  return { agents, where, ...(several && stale && { census: await readCensus(reader, at) }) };
};

/** Agents that were not heard of when last looked at. */
const cutOff = ({ episodes }: Outbreak): string[] =>
  episodes.flatMap(({ pattern, agents }) => (pattern === 'network_partition' ? agents : []));

export const outbreaks = defineEntity({ of: outbreakKind, accepts: [failure], id: () => OUTBREAK, decide, read });
