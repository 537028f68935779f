/** What is known of the health of agents, what went wrong, and what is done about it. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { id, severity, time } from './fields.ts';
import { defineMessage } from './message.ts';

const share = z.number().min(0);

const healthBody = z.looseObject({
  type: z.literal('health').default('health'),
  agent_id: id,
  status: z.looseObject({
    state: z.enum(['healthy', 'degraded', 'unhealthy', 'unresponsive']),
    performance_impact: z.number().optional(),
    symptoms: z.array(z.string()).optional(),
    last_seen: time.optional(),
  }),
  metrics: z
    .looseObject({
      cpu_usage: share.optional(),
      memory_usage: share.optional(),
      response_time_ms: share.optional(),
      error_rate: share.optional(),
      throughput: share.optional(),
    })
    .optional(),
  timestamp: time.optional(),
});
export type Health = z.infer<typeof healthBody>;

export const health = defineMessage({
  name: 'health',
  subject: subjects.health,
  by: 'SUPERVISION_EVENTS',
  body: healthBody,
});

export const failureType = z.enum([
  'process_crash',
  'memory_leak',
  'resource_exhaustion',
  'network_partition',
  'timeout_failure',
  'protocol_violation',
  'dependency_failure',
]);
export type FailureType = z.infer<typeof failureType>;

const failureBody = z.looseObject({
  type: z.literal('failure').default('failure'),
  /** The same one twice is one failure. */
  event_id: id.optional(),
  agent_id: id,
  failure_type: failureType,
  severity,
  context: z.unknown().optional(),
  detection_time: time.optional(),
});
export type Failure = z.infer<typeof failureBody>;

export const failure = defineMessage({
  name: 'failure',
  subject: subjects.failure,
  by: 'SUPERVISION_EVENTS',
  body: failureBody,
});

/** Asks for a recovery. */
const recoveryBody = z.looseObject({
  type: z.literal('recovery').default('recovery'),
  agent_id: id,
  recovery_action: z.string().min(1),
  initiator: z.string().optional(),
  /** From the failure handler: `event_id`, `failure_type`, `severity`, `failed_at`. */
  recovery_plan: z.unknown().optional(),
});
export type Recovery = z.infer<typeof recoveryBody>;

export const recovery = defineMessage({
  name: 'recovery',
  subject: subjects.recovery,
  by: 'SUPERVISION_EVENTS',
  body: recoveryBody,
});

const escalationBody = z.looseObject({
  type: z.literal('escalation').default('escalation'),
  /** Absent where only the failure is named. */
  agent_id: id.optional(),
  original_failure: id.optional(),
  /** 1: the agent's supervisor, 2: its domain, 3: root, 4: people. */
  escalation_level: z.int().min(1).max(4),
  supervisor_id: id.optional(),
  escalation_reason: z.string().optional(),
});
export type Escalation = z.infer<typeof escalationBody>;

export const escalation = defineMessage({
  name: 'escalation',
  subject: subjects.escalation,
  by: 'SUPERVISION_EVENTS',
  body: escalationBody,
});

export const PATTERN_TYPES = [
  'failure_spike',
  'cascading_failure',
  'performance_degradation',
  'resource_exhaustion',
  'network_partition',
] as const;
export type PatternType = (typeof PATTERN_TYPES)[number];

const patternBody = z.looseObject({
  type: z.literal('pattern').default('pattern'),
  /** An episode: it is told when it is detected, when it changes, and when it is over. */
  episode_id: id.optional(),
  phase: z.enum(['detected', 'updated', 'closed']).optional(),
  pattern_type: z.enum(PATTERN_TYPES),
  affected_agents: z.array(id),
  confidence: z.number().min(0).max(1),
  /** Of a cascade: where it probably began. */
  probable_origin: id.optional(),
  /** Of an exhaustion: when the limit is reached. */
  exhausted_at: time.optional(),
  started_at: time.optional(),
  detected_at: time.optional(),
  /** One sentence. */
  summary: z.string().optional(),
  /** The figures that it was decided by. */
  evidence: z.record(z.string(), z.unknown()).optional(),
  recommended_action: z.unknown().optional(),
});
export type Pattern = z.infer<typeof patternBody>;

export const pattern = defineMessage({
  name: 'pattern',
  subject: subjects.pattern,
  by: 'SUPERVISION_EVENTS',
  body: patternBody,
});
