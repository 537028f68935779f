/** What an agent of document 004's bus says of itself, and what it asked that nobody answered yet. Plain data. */
import * as z from 'zod';
import type { Child } from '#shared/entity/entity.ts';
import type { Kind } from '#shared/entity/kind.ts';
import { iso } from '#shared/iso.ts';

export const ASKED = ['question', 'blocker', 'resource_request', 'coordination_request'] as const;
export type Asked = (typeof ASKED)[number];

const requestSchema = z.object({
  /** The correlation id where it has one. */
  id: z.string(),
  correlated: z.boolean(),
  type: z.enum(ASKED),
  /** null: to everybody. */
  to: z.string().nullable(),
  content: z.unknown(),
  askedAt: z.number(),
  /** To whom it was handed on. */
  forwarded: z.array(z.string()),
  /** When it is looked at again, epoch ms. */
  dueAt: z.number(),
});
export type Request = z.infer<typeof requestSchema>;

const colleagueSchema = z.object({
  /** The last status update. */
  status: z.object({ status: z.string(), component: z.string().optional(), at: z.number() }).optional(),
  completed: z.int(),
  failed: z.int(),
  lastFailure: z.object({ content: z.string(), at: z.number() }).optional(),
  /** Oldest first. */
  open: z.array(requestSchema),
  lastAt: z.number(),
});
export type Colleague = z.infer<typeof colleagueSchema>;

const KEEP_MS = 7 * 24 * 3_600_000;

export const colleagueKind: Kind<Colleague> = {
  kind: 'colleague',
  schema: colleagueSchema,
  version: 1,
  expiresAt: ({ lastAt }) => lastAt + KEEP_MS,
  lookup: () => 'colleague',
};

export const stranger: Colleague = { completed: 0, failed: 0, open: [], lastAt: 0 };

/** What an agent has said of a component or a task: whether it is done, and how it said so. */
const workSchema = z.object({ done: z.boolean(), content: z.unknown(), at: z.number() });
export type Work = z.infer<typeof workSchema>;

export const topicLookup = (topic: string): string => `orchestrator.topic=${topic}`;
export const workName = (topic: string): string => `topic/${topic}`;

/** The child by which it is found who works at something, or has done it. */
export const workChild = (topic: string, work: Work): Child => ({
  name: workName(topic),
  data: work,
  lookup: topicLookup(topic),
  expiresAt: work.at + KEEP_MS,
});

export const readWork = (data: unknown): Work | undefined => workSchema.safeParse(data).data;

const LONGEST_SHOWN = 500;

const shown = (content: unknown): unknown => {
  const text = JSON.stringify(content) ?? '';
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : content;
};

/** As operators see what is open. */
export const openToWire = (agentId: string, { id, type, to, content, askedAt, forwarded }: Request) => ({
  from_agent: agentId,
  message_type: type,
  to_agent: to,
  correlation_id: id,
  content: shown(content),
  asked_at: iso(askedAt),
  forwarded_to: forwarded,
});

export const colleagueToWire = (agentId: string, { status, completed, failed, lastFailure, open, lastAt }: Colleague) => ({
  agent_id: agentId,
  ...(status && { status: { ...status, at: iso(status.at) } }),
  tasks_completed: completed,
  tasks_failed: failed,
  ...(lastFailure && { last_failure: { ...lastFailure, at: iso(lastFailure.at) } }),
  open: open.length,
  last_at: iso(lastAt),
});
