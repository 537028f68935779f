/**
 * The life of one agent's process, as a state machine: what happened goes in, what is to be done comes out. It never restarts by
 * itself: the control plane decides that, an order comes, and it obeys. Pure.
 */

/** An order to restart, as it concerns one agent. */
export type Order = {
  recoveryId?: string | undefined;
  attempt?: number | undefined;
  reason?: string | undefined;
  /** ms */
  shutdownMs?: number | undefined;
  lastKnown?: unknown;
};

/** How a process ended: a code, or a signal; or it never began, and why. */
export type End = { code: number | null; signal: string | null; error?: string | undefined };

export type Phase =
  /** There is no process. */
  | { is: 'down' }
  | { is: 'starting'; order?: Order }
  | { is: 'ready' }
  /** It was asked to end; then it starts again, if there is an order to. `forGood`: there will be none. */
  | { is: 'stopping'; order?: Order; forGood?: true };

export type Happening =
  | { is: 'start' }
  | { is: 'ready' }
  | { is: 'ended'; end: End }
  | { is: 'order'; order: Order }
  /** It is to end, until somebody orders it back. */
  | { is: 'shutdown' }
  /** The supervisor ends. */
  | { is: 'stop' };

export type Deed =
  | { do: 'spawn'; order?: Order }
  /** SIGTERM now, SIGKILL later. */
  | { do: 'terminate'; order?: Order }
  | { do: 'tell_crash'; end: End }
  /** It ended and nothing is wrong. */
  | { do: 'tell_stopped'; reason: 'normal' | 'shutdown' }
  | { do: 'tell_not_restarted'; order: Order; why: string };

type Step = { phase: Phase; deeds: Deed[] };

const DOWN: Phase = { is: 'down' };

const stay = (phase: Phase): Step => ({ phase, deeds: [] });
const spawnFor = (order: Order): Step => ({ phase: { is: 'starting', order }, deeds: [{ do: 'spawn', order }] });

/** `was killed by SIGKILL`, for a sentence. */
export const describeEnd = ({ code, signal, error }: End): string => {
  if (error !== undefined) return `could not be started: ${error}`;
  return signal === null ? `ended with exit code ${code}` : `was killed by ${signal}`;
};

const isNormal = ({ code, error }: End): boolean => code === 0 && error === undefined;

const afterEnd = (phase: Phase, end: End): Step => {
  switch (phase.is) {
    case 'down':
      return stay(phase);
    case 'stopping':
      return phase.order ? spawnFor(phase.order) : { phase: DOWN, deeds: [{ do: 'tell_stopped', reason: 'shutdown' }] };
    case 'starting':
      // One death is one failure: that of the restart.
      if (phase.order)
        return {
          phase: DOWN,
          deeds: [{ do: 'tell_not_restarted', order: phase.order, why: `it ${describeEnd(end)} before it was ready` }],
        };
      break;
    case 'ready':
      break;
    default:
      return phase satisfies never;
  }
  return { phase: DOWN, deeds: [isNormal(end) ? { do: 'tell_stopped', reason: 'normal' } : { do: 'tell_crash', end }] };
};

const afterOrder = (phase: Phase, order: Order): Step => {
  switch (phase.is) {
    case 'down':
      return spawnFor(order);
    case 'starting':
    case 'ready':
      return { phase: { is: 'stopping', order }, deeds: [{ do: 'terminate', order }] };
    case 'stopping':
      // The newest order counts.
      return phase.forGood
        ? { phase, deeds: [{ do: 'tell_not_restarted', order, why: 'its supervisor is stopping' }] }
        : stay({ is: 'stopping', order });
    default:
      return phase satisfies never;
  }
};

const afterStop = (phase: Phase, stopping: Phase): Step => {
  switch (phase.is) {
    case 'down':
      return stay(phase);
    case 'stopping':
      return stay(phase.forGood ? phase : stopping);
    case 'starting':
    case 'ready':
      return { phase: stopping, deeds: [{ do: 'terminate' }] };
    default:
      return phase satisfies never;
  }
};

export const step = (phase: Phase, happening: Happening): Step => {
  switch (happening.is) {
    case 'start':
      return phase.is === 'down' ? { phase: { is: 'starting' }, deeds: [{ do: 'spawn' }] } : stay(phase);
    case 'ready':
      return stay(phase.is === 'starting' ? { is: 'ready' } : phase);
    case 'ended':
      return afterEnd(phase, happening.end);
    case 'order':
      return afterOrder(phase, happening.order);
    case 'shutdown':
      return afterStop(phase, { is: 'stopping' });
    case 'stop':
      return afterStop(phase, { is: 'stopping', forGood: true });
    default:
      return happening satisfies never;
  }
};
