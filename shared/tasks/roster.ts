/**
 * The roster: who takes tasks, and what they can, as the table finds them. A fleet is too large to be read for a task, so some
 * of it is drawn: the slots of an agent have an id that begins with a hash, the table lists them in that order, and a page
 * that begins anywhere is a fair sample. Of two drawn at random the less loaded is nearly as good as the least loaded of all
 * (Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, 2001); we draw more. Pure but for its reader.
 */
import type { Child } from '#shared/entity/entity.ts';
import type { AnyKind } from '#shared/entity/kind.ts';
import type { Reader } from '#shared/entity/reader.ts';
import { fnv1a } from '#shared/fnv1a.ts';
import type { Profile } from '#shared/registry/agent.ts';
import type { Need } from './need.ts';

const HASH_DIGITS = 8;

const hashOf = (text: string): string => fnv1a(text).toString(16).padStart(HASH_DIGITS, '0');

/** More agents than a batch compares. */
const REMEMBERED = 5000;
const remembered = new Map<string, string>();

/** The id of an agent's slots. */
export const slotsIdOf = (agentId: string): string => {
  const known = remembered.get(agentId);
  if (known !== undefined) return known;
  if (remembered.size >= REMEMBERED) remembered.clear();
  const id = `${hashOf(agentId)}-${agentId}`;
  remembered.set(agentId, id);
  return id;
};

/** The agent of an id of slots. */
export const agentOfSlots = (slotsId: string): string => slotsId.slice(HASH_DIGITS + 1);

const lookupOf = (capability: string | undefined, place: string): string =>
  `roster${capability === undefined ? '' : `.capability=${capability}`}${place}`;

/** The lookup value that lists all who may fit; the rest of the need is asked of each. */
const valueFor = ({ capabilities: [capability], zone, domain }: Need): string => {
  if (domain !== undefined) return lookupOf(capability, `.domain=${domain}`);
  return lookupOf(capability, zone === undefined ? '' : `.zone=${zone}`);
};

/** Under which values an agent is found: each capability, and none, in each of its places, and anywhere. */
export const rosterValues = ({ capabilities, zone, domain }: Pick<Profile, 'capabilities' | 'zone' | 'domain'>): string[] => {
  const places = ['', ...(zone === undefined ? [] : [`.zone=${zone}`]), ...(domain === undefined ? [] : [`.domain=${domain}`])];
  return [undefined, ...new Set(capabilities)].flatMap((capability) => places.map((place) => lookupOf(capability, place)));
};

/** The children of slots by which the agent is found. */
export const rosterChildren = (values: readonly string[]): Child[] => values.map((lookup) => ({ name: lookup, data: {}, lookup }));

/** Ids of agents that may fit, `most` at most: all of a smaller fleet, a sample of a larger one that follows from the seed. */
export const drawAgents = async (reader: Reader, slotsKind: AnyKind, need: Need, { most, seed }: { most: number; seed: string }) => {
  const value = valueFor(need);
  const after = hashOf(seed);
  const [behind, first] = await Promise.all([
    reader.lookup(slotsKind, value, { after, limit: most }),
    reader.lookup(slotsKind, value, { limit: most }),
  ]);
  return [...new Set([...behind, ...first])].slice(0, most).map(agentOfSlots);
};
