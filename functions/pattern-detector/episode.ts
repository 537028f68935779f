/** An episode: a pattern from when it is detected until it is over. Plain data. Pure. */
import * as z from 'zod';
import type { Context } from '#shared/entity/entity.ts';
import { iso } from '#shared/iso.ts';
import { PATTERN_TYPES, type Pattern } from '#shared/messages/supervision.ts';

const evidence = z.record(z.string(), z.union([z.number(), z.string()]));

/** What a detector has found. Times are epoch ms. */
const findingSchema = z.object({
  pattern: z.enum(PATTERN_TYPES),
  agents: z.array(z.string()),
  confidence: z.number(),
  /** When it began. */
  since: z.number(),
  summary: z.string(),
  /** The figures that it was decided by. */
  evidence,
  /** Of a cascade: where it probably began. */
  origin: z.string().optional(),
  /** Of an exhaustion: when. */
  exhaustedAt: z.number().optional(),
});
export type Finding = z.infer<typeof findingSchema>;

export const episodeSchema = findingSchema.extend({
  id: z.string(),
  /** When what decided it was sent. */
  detectedAt: z.number(),
  /** When it was last seen to go on. */
  lastAt: z.number(),
  /** What the fleet has heard of it, and when; null: nothing yet. */
  told: z
    .object({
      at: z.number(),
      agents: z.number(),
      confidence: z.number(),
      origin: z.string().optional(),
      exhaustedAt: z.number().optional(),
    })
    .nullable(),
});
export type Episode = z.infer<typeof episodeSchema>;

/** Agents that an episode names; further ones only keep it open. The last of many spikes names those of a whole storm. */
const mostAgents = (pattern: Finding['pattern']): number => (pattern === 'failure_spike' ? 1000 : 500);
const LEAST_CHANGE = 0.1;

/** Open ones of a pattern in an item; what is found further joins the last of them. */
const MOST_OPEN = 20;

/** The episodes with what was found at `at` in them: it continues one of its kind about one of its agents, or begins one. */
export const joined = (episodes: readonly Episode[], finding: Finding, at: number, newId: Context['newId']): Episode[] => {
  const alike = episodes.filter(({ pattern }) => pattern === finding.pattern);
  const affected = new Set(finding.agents);
  const same = alike.find(({ agents }) => agents.some((id) => affected.has(id)));
  const open = same ?? (alike.length < MOST_OPEN ? undefined : alike.at(-1));
  if (!open) {
    const id = newId(`episode ${finding.pattern} ${finding.agents[0]}`);
    return [
      ...episodes,
      { ...finding, agents: finding.agents.slice(0, mostAgents(finding.pattern)), id, detectedAt: at, lastAt: at, told: null },
    ];
  }
  for (const id of open.agents) affected.delete(id);
  const agents = affected.size === 0 ? open.agents : [...open.agents, ...affected].slice(0, mostAgents(finding.pattern));
  const isOfMany = finding.pattern === 'failure_spike' && agents.length > 1;
  const after: Episode = {
    ...open,
    ...finding,
    agents,
    since: Math.min(open.since, finding.since),
    lastAt: Math.max(open.lastAt, at),
    summary: isOfMany ? `${agents.length} agents fail too often, the last: ${finding.summary}` : finding.summary,
  };
  return episodes.map((episode) => (episode === open ? after : episode));
};

/** Whether it is not any more what the fleet has heard of it. */
export const isNews = ({ told, agents, confidence, origin, exhaustedAt, lastAt }: Episode): boolean => {
  if (told === null || agents.length !== told.agents || Math.abs(confidence - told.confidence) > LEAST_CHANGE) return true;
  if (origin !== told.origin) return true;
  if (exhaustedAt === undefined || told.exhaustedAt === undefined) return false;
  // What is far away may move farther.
  return Math.abs(exhaustedAt - told.exhaustedAt) > 0.25 * Math.max(told.exhaustedAt - lastAt, 60_000);
};

export const told = (episode: Episode, now: number): Episode => {
  const { agents, confidence, origin, exhaustedAt } = episode;
  const heard = { at: now, agents: agents.length, confidence };
  return { ...episode, told: { ...heard, ...(origin !== undefined && { origin }), ...(exhaustedAt !== undefined && { exhaustedAt }) } };
};

/** As the fleet and operators see it. */
export const toWire = (episode: Episode): Pattern => ({
  type: 'pattern',
  episode_id: episode.id,
  pattern_type: episode.pattern,
  affected_agents: episode.agents,
  confidence: episode.confidence,
  ...(episode.origin !== undefined && { probable_origin: episode.origin }),
  ...(episode.exhaustedAt !== undefined && { exhausted_at: iso(episode.exhaustedAt) }),
  started_at: iso(episode.since),
  detected_at: iso(episode.detectedAt),
  summary: episode.summary,
  evidence: episode.evidence,
});
