/**
 * A command on its way to its targets. A target is a number: the first page of ids lies in the state, the others are children,
 * who has answered is a bit of each. So 10,000 targets are 2 KB of state, and an answer finds its place without a look at the ids.
 */
import * as z from 'zod';
import type { Kind } from '#shared/entity/kind.ts';
import { COMMANDS } from '#shared/messages/control-coordination.ts';

/** Targets of a page, and at most so many are sent to by one decision: what they answer, and the deadline, have their turn between. */
export const PAGE = 500;
export const MAX_TARGETS = 10_000;
/** Bytes that one decision publishes, about: an answer of Lambda has 6 MB. */
const SEND_BYTES = 1_000_000;
const KEEP_MS = 24 * 3_600_000;

const saidSchema = z.object({
  response: z.unknown().optional(),
  error: z.string().exactOptional(),
  /** Of a response that is a child, or was too large to keep. */
  bytes: z.number().exactOptional(),
});
/** What a target answered. */
export type Said = z.infer<typeof saidSchema>;

const commandSchema = z.object({
  /** `health`: a check. */
  verb: z.enum([...COMMANDS, 'health']),
  /** What was asked of whom, as a hash: the same id with another one is a mistake. */
  asked: z.string().exactOptional(),
  /** What each target is sent. */
  body: z.record(z.string(), z.unknown()),
  by: z.string().exactOptional(),
  /** Where the requester waits. */
  reply: z.string().exactOptional(),
  /** Epoch ms. */
  startedAt: z.number(),
  deadline: z.number(),
  size: z.number(),
  /** The first page of the targets. */
  targets: z.array(z.string()),
  /** Who has answered: a bit a target, base64. */
  answered: z.string(),
  count: z.number(),
  /** By the number of the target; those that are not here are children. */
  said: z.record(z.string(), saidSchema),
  saidBytes: z.number(),
  /** How often it was sent to everybody who had not answered, and which target is next in this round. */
  round: z.number(),
  next: z.number(),
  closedAt: z.number().exactOptional(),
});
export type Command = z.infer<typeof commandSchema>;

export const commandKind: Kind<Command> = {
  kind: 'command',
  schema: commandSchema,
  version: 1,
  expiresAt: (command) => (command.closedAt ?? command.deadline) + KEEP_MS,
};

/** Whether it has still to be sent to somebody for the first time, though nobody waits any more. */
export const isUnsent = ({ round, verb }: Command): boolean => round === 0 && verb !== 'health';

/** When its children may be forgotten, epoch ms. */
export const childrenExpire = (command: Command): number => command.deadline + KEEP_MS;

export const pageOf = (n: number): number => Math.floor(n / PAGE);
export const pagesOf = (size: number): number => Math.max(1, Math.ceil(size / PAGE));

const padded = (page: number): string => String(page).padStart(4, '0');
export const targetsName = (page: number): string => `targets/${padded(page)}`;
/** The names of a page's answers begin so. */
export const saidPrefix = (page: number): string => `said/${padded(page)}/`;

const bitsOf = (command: Command): Buffer => Buffer.from(command.answered, 'base64');

export const noBits = (size: number): string => Buffer.alloc(Math.ceil(size / 8)).toString('base64');

const isSet = (bits: Buffer, n: number): boolean => ((bits[n >> 3] ?? 0) & (1 << (n & 7))) !== 0;

export const hasAnswered = (command: Command, n: number): boolean => isSet(bitsOf(command), n);

export const withBit = (command: Command, n: number): string => {
  const bits = bitsOf(command);
  bits[n >> 3] = (bits[n >> 3] ?? 0) | (1 << (n & 7));
  return bits.toString('base64');
};

/** The numbers of the targets to send to next: at most a page, in order. */
export const dueTargets = (command: Command): number[] => {
  const bytes = Buffer.byteLength(JSON.stringify(command.body)) + 200;
  const most = Math.max(1, Math.min(PAGE, Math.floor(SEND_BYTES / bytes)));
  const bits = bitsOf(command);
  const due: number[] = [];
  for (let n = command.next; n < command.size && due.length < most; n++) if (!isSet(bits, n)) due.push(n);
  return due;
};

/** Whether anybody after this target has not answered. */
export const isLastDue = (command: Command, after: number): boolean => dueTargets({ ...command, next: after + 1 }).length === 0;

/** A page's targets that answered, by number, and those that did not. */
export const divided = (command: Command, page: number, ids: readonly string[]) => {
  const bits = bitsOf(command);
  const numbered = ids.map((id, index) => ({ id, n: page * PAGE + index }));
  return { answered: numbered.filter(({ n }) => isSet(bits, n)), missing: numbered.filter(({ n }) => !isSet(bits, n)).map(({ id }) => id) };
};
