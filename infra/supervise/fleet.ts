/** What is to be supervised: a supervisor and its agents, each with its command. A wrong field is one sentence. */
import * as z from 'zod';
import { explainIssue } from '#shared/messages/explain.ts';
import { atLeastOne, count, id } from '#shared/messages/fields.ts';
import { AUTO_SHUTDOWNS, RESTART_TYPES, STRATEGIES } from '#shared/messages/supervisor.ts';
import { SettingsError } from '../settings.ts';
import { isProgram } from './program.ts';

/** The tree changes by at most so many agents in a message (docs/supervision.md). */
export const MOST_AGENTS = 90;

const perAgent = {
  restart: z.enum(RESTART_TYPES).optional(),
  shutdown_ms: count.optional(),
  /** Seconds between heartbeats on behalf of a command that does not speak NATS. */
  heartbeat: z.number().positive().optional(),
};

const agentSchema = z.strictObject({
  id,
  command: z.array(z.string(), { error: 'must be a list, such as [python3, worker.py]' }).min(1),
  env: z.record(z.string(), z.string()).optional(),
  significant: z.boolean().optional(),
  ...perAgent,
});

const fleetSchema = z.strictObject({
  id,
  strategy: z.enum(STRATEGIES).optional(),
  intensity: count.optional(),
  period_ms: atLeastOne.optional(),
  auto_shutdown: z.enum(AUTO_SHUTDOWNS).optional(),
  parent: id.optional(),
  domain: id.optional(),
  ...perAgent,
  agents: z.array(agentSchema, { error: 'must be the list of agents' }).min(1).max(MOST_AGENTS),
});

export type Fleet = z.infer<typeof fleetSchema>;
export type AgentSpec = z.infer<typeof agentSchema>;

export const refuse = (sentence: string): never => {
  throw new SettingsError(`${sentence}: see npm run supervise -- --help`);
};

const explain = (fleet: unknown, issues: readonly z.core.$ZodIssue[]): string => {
  const [issue] = issues;
  if (issue?.code !== 'unrecognized_keys') return explainIssue(fleet, issues);
  const of = issue.path.length > 0 ? `agent ${Number(issue.path[1]) + 1} of agents` : 'it';
  const fields = Object.keys((issue.path.length > 0 ? agentSchema : fleetSchema).shape);
  return `${of} has no field ${issue.keys[0]}: take ${fields.join(', ')}`;
};

/** `place` says where the sentence about a field came from. Throws a SettingsError. */
export const checkFleet = (fleet: Record<string, unknown>, place: (sentence: string) => string): Fleet => {
  const parsed = fleetSchema.safeParse(fleet);
  if (!parsed.success) return refuse(place(explain(fleet, parsed.error.issues)));
  const ids = new Set<string>();
  for (const { id: agent, command } of parsed.data.agents) {
    if (ids.size === ids.add(agent).size) refuse(`the agent ${agent} is named twice: give each an id of its own`);
    const [program = ''] = command;
    if (!isProgram(program)) refuse(`there is no program ${program} here: install it, or correct the command`);
  }
  return parsed.data;
};
