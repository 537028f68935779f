/** Why a candidate is out of the question. What it is, and whether it can, is asked first; then what it is asked for. Pure. */
import type { Need } from '#shared/tasks/need.ts';
import type { Candidate } from './candidate.ts';

export const REASONS = ['unhealthy', 'circuit_open', 'full', 'participant', 'capability', 'domain', 'zone', 'target', 'load'] as const;
/** `target`: the policy sends it to others. `load`: others are less loaded. */
export type Reason = (typeof REASONS)[number];

/** A need that is asked of many. */
export type Wanted = {
  capabilities: readonly string[];
  domain: string | undefined;
  zone: string | undefined;
  participants: ReadonlySet<string> | undefined;
};

export const wantedOf = ({ capabilities, domain, zone, participants }: Need, required: readonly string[] = []): Wanted => ({
  capabilities: [...capabilities, ...required],
  domain,
  zone,
  participants: participants.length > 0 ? new Set(participants) : undefined,
});

/** Undefined: it could. A loop, for it is asked of each of ten thousand. */
const lacking = ({ capabilities }: Candidate, wanted: readonly string[]): string | undefined => {
  for (const capability of wanted) if (!capabilities.includes(capability)) return capability;
  return undefined;
};

/** Undefined: it may have it, as far as it goes without a policy. */
export const whyNot = (candidate: Candidate, { capabilities, domain, zone, participants }: Wanted): Reason | undefined => {
  if (!candidate.healthy) return 'unhealthy';
  if (candidate.circuit === 'open') return 'circuit_open';
  if (candidate.room <= 0) return 'full';
  if (participants && !participants.has(candidate.id)) return 'participant';
  if (lacking(candidate, capabilities) !== undefined) return 'capability';
  if (domain !== undefined && candidate.domain !== domain) return 'domain';
  if (zone !== undefined && candidate.zone !== zone) return 'zone';
  return undefined;
};

/** For people. */
export const sentence = (candidate: Candidate, reason: Reason, { capabilities, domain, zone }: Wanted): string => {
  switch (reason) {
    case 'unhealthy':
      return 'it is not healthy';
    case 'circuit_open':
      return 'its circuit is open';
    case 'full':
      return candidate.circuit === 'half-open'
        ? 'its circuit is half-open, and has no permit left'
        : `it has ${candidate.active} of ${candidate.capacity} tasks`;
    case 'participant':
      return 'it is none of the participants';
    case 'capability':
      return `it lacks the capability ${lacking(candidate, capabilities)}`;
    case 'zone':
      return `it is in ${candidate.zone === undefined ? 'no zone' : `zone ${candidate.zone}`}, not in ${zone}`;
    case 'domain':
      return `it is in ${candidate.domain === undefined ? 'no domain' : `domain ${candidate.domain}`}, not in ${domain}`;
    case 'target':
      return 'the policy sends this to others';
    case 'load':
      return 'others are less loaded';
    default:
      throw reason satisfies never;
  }
};

const SHORT: Record<Reason, string> = {
  unhealthy: 'not healthy',
  circuit_open: 'with an open circuit',
  full: 'full',
  participant: 'no participants',
  capability: 'not able',
  domain: 'in another domain',
  zone: 'in another zone',
  target: 'not meant by the policy',
  load: 'more loaded',
};

/** `2 full, 1 not healthy`. */
export const summary = (leftBy: Readonly<Partial<Record<Reason, number>>>): string =>
  REASONS.flatMap((reason) => (leftBy[reason] === undefined ? [] : `${leftBy[reason]} ${SHORT[reason]}`)).join(', ');
