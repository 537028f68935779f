/**
 * A function, or a partition of one, as a duty of the bridge that owns it: its lanes, its sources, its alarms and its
 * schedules. Another bridge has none of them meanwhile.
 */
import { sleep } from '#shared/clock.ts';
import type { BindingState, BindingStates } from './binding-state.ts';
import type { DispatcherOptions } from './dispatch.ts';
import { createDispatcher, type Dispatcher } from './dispatcher.ts';
import type { Binding, FunctionEntry } from './manifest.ts';
import type { Endpoint } from './micro-service.ts';
import type { Source } from './ports.ts';
import { startSchedules } from './schedules.ts';
import type { Share } from './shares.ts';
import type { Duty } from './tenure.ts';

const AGAIN_MS = 1000;

export type FunctionDutyOptions = Omit<DispatcherOptions, 'fn'> & {
  share: Share;
  states: Pick<BindingStates, 'get'>;
  sourceOf(binding: Binding, state: BindingState): Promise<Source & { endpoints?: readonly Endpoint[] }>;
  /** Lets the function be found as a micro service; the answer ends that. */
  announce(fn: FunctionEntry, endpoints: readonly Endpoint[]): () => void;
  /** Resolves when NATS has all that was said. */
  flush(): Promise<void>;
};

export type FunctionDuty = Duty & {
  share: Share;
  /** A binding was paused, resumed or reset: what this bridge has of it is brought to that. */
  changed(binding: string): void;
  /** A sentence while the function cannot be served as it should. */
  blocked(): string | undefined;
  /** Why it could not be taken the last time. */
  refusal(): Error | undefined;
  /** Undefined while another bridge has it. */
  dispatcher(): Dispatcher | undefined;
};

export const functionDuty = (options: FunctionDutyOptions): FunctionDuty => {
  const { share, states, sourceOf, announce, flush, metrics, clock, log } = options;
  const { fn, bindings } = share;
  const endpoints = new Map<string, readonly Endpoint[]>();
  let stopService: (() => void) | undefined;
  let dispatcher: Dispatcher | undefined;
  let stopSchedules: (() => void) | undefined;
  let wanted = false;
  let refusal: Error | undefined;
  /** What stands between a binding and its source. */
  const troubles = new Map<string, string>();
  /** One after the other: a binding is not attached while it is detached. */
  let work: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(step: () => Promise<T>): Promise<T> => {
    const done = work.then(step);
    work = done.catch(() => {});
    return done;
  };

  const attach = async (to: Dispatcher, binding: Binding): Promise<void> => {
    const state = states.get(binding.name);
    endpoints.delete(binding.name);
    metrics.binding(binding.name).paused.set(state.paused ? 1 : 0);
    if (state.paused) return;
    const source = await sourceOf(binding, state);
    if (source.endpoints) endpoints.set(binding.name, source.endpoints);
    to.attach(binding, source);
  };

  const announceAll = (): void => {
    stopService?.();
    const all = [...endpoints.values()].flat();
    stopService = all.length > 0 ? announce(fn, all) : undefined;
  };

  /** Drains first (rule 10): what is said of a message reaches the consumer that delivered it. */
  const replace = async (binding: Binding): Promise<void> => {
    const of = dispatcher;
    await of?.detach(binding.name);
    await flush();
    while (of && wanted) {
      try {
        await attach(of, binding);
        troubles.delete(binding.name);
        announceAll();
        return;
      } catch (error) {
        const why = `${binding.name} has no source: ${(error as Error).message}`;
        if (troubles.get(binding.name) !== why) log(why);
        troubles.set(binding.name, why);
        await sleep(clock, AGAIN_MS);
      }
    }
  };

  const release = async (): Promise<void> => {
    stopSchedules?.();
    stopService?.();
    stopService = undefined;
    const of = dispatcher;
    dispatcher = undefined;
    metrics.owned(share.name).set(0);
    troubles.clear();
    await of?.drain();
    await flush();
  };

  return {
    name: share.name,
    share,
    take: () => {
      wanted = true;
      return inTurn(async () => {
        const of = createDispatcher({ ...options, fn });
        dispatcher = of;
        try {
          await Promise.all(bindings.map((binding) => attach(of, binding)));
          refusal = undefined;
        } catch (error) {
          refusal = error as Error;
          await release();
          throw error;
        }
        announceAll();
        metrics.owned(share.name).set(1);
        stopSchedules = startSchedules({ functions: [fn], publisher: options.publisher, clock, log });
      });
    },
    handOver: () => {
      wanted = false;
      return inTurn(release);
    },
    changed: (name) => {
      const binding = bindings.find((one) => one.name === name);
      if (binding && dispatcher) void inTurn(() => replace(binding)).catch((error) => log(`${name}: ${String(error)}`));
    },
    blocked: () => refusal?.message ?? troubles.values().next().value ?? dispatcher?.blocked(),
    refusal: () => refusal,
    dispatcher: () => dispatcher,
  };
};
