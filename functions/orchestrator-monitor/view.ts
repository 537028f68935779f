/** Who may know the answer: read once a batch, for what is asked in it and for what of it is overdue. */
import type { Alarm } from '#shared/entity/entity.ts';
import { idOf } from '#shared/entity/key.ts';
import type { Reader } from '#shared/entity/reader.ts';
import type { Received } from '#shared/messages/message.ts';
import type { orchestratorAgent, orchestratorBroadcast } from '#shared/messages/orchestrator.ts';
import { type Agent, agentKind, isHealthy } from '#shared/registry/agent.ts';
import { findAgents } from '#shared/registry/candidates.ts';
import { readPlaces, responsibleFor } from '#shared/supervision/tree.ts';
import { colleagueKind, readWork, topicLookup, type Work, workName } from './colleague.ts';
import { agentsIn, wantedIn } from './topics.ts';

export type BusEvent = Received<typeof orchestratorBroadcast> | Received<typeof orchestratorAgent>;

const MOST = 5;

export type Topic = {
  /** By agent: what it said of it. */
  work: ReadonlyMap<string, Work>;
  /** Healthy agents that have it as a capability. */
  capable: readonly string[];
};

export type View = {
  topics: ReadonlyMap<string, Topic>;
  /** Healthy agents among those that are named. */
  healthy: ReadonlySet<string>;
  /** The nearest supervisor of each asker. */
  supervisors: ReadonlyMap<string, string>;
};

const readTopic = async (reader: Reader, topic: string): Promise<Topic> => {
  const [ids, capable] = await Promise.all([
    reader.lookup(colleagueKind, topicLookup(topic), { limit: MOST }),
    findAgents(reader, { capability: topic, healthy: true }, MOST),
  ]);
  const works = await Promise.all(
    ids.map(async (id) => [id, readWork((await reader.children(colleagueKind, id, workName(topic))).get(workName(topic)))] as const),
  );
  return {
    work: new Map(works.filter((entry): entry is [string, Work] => entry[1] !== undefined)),
    capable: capable.map(({ profile }) => profile.agent_id),
  };
};

const healthyOf = (agents: ReadonlyMap<string, Agent>): Set<string> =>
  new Set([...agents].filter(([, agent]) => isHealthy(agent)).map(([id]) => id));

export const readView = async (events: readonly (BusEvent | Alarm)[], reader: Reader): Promise<View> => {
  const overdue = events.flatMap((event) => (event.message === 'alarm' ? idOf(event.key) : []));
  const waiting = await reader.load(colleagueKind, overdue);
  const asked = events.flatMap((event) => (event.message === 'alarm' ? [] : [event.body.content]));
  const contents = [...asked, ...[...waiting.values()].flatMap(({ open }) => open.map(({ content }) => content))];
  const askers = [...new Set([...overdue, ...events.flatMap((event) => (event.message === 'alarm' ? [] : event.body.from_agent))])];
  const topics = [...new Set(contents.flatMap(wantedIn))];
  const [read, agents, places] = await Promise.all([
    Promise.all(topics.map(async (topic) => [topic, await readTopic(reader, topic)] as const)),
    reader.load(agentKind, [...askers, ...contents.flatMap(agentsIn)]),
    readPlaces(reader, askers),
  ]);
  const supervisors = askers.flatMap((id): [string, string][] => {
    const [nearest] = responsibleFor(places, id, agents.get(id)?.profile);
    return nearest === undefined ? [] : [[id, nearest]];
  });
  return { topics: new Map(read), healthy: healthyOf(agents), supervisors: new Map(supervisors) };
};
