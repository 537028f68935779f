/**
 * A function, or a partition of one, as a duty of the bridge that owns it: its lanes, its sources, its alarms and its
 * schedules. Another bridge has none of them meanwhile.
 */
import type { BindingState, BindingStates } from '../control/binding-state.ts';
import type { DispatcherOptions } from '../dispatch/dispatch.ts';
import { createDispatcher, type Dispatcher } from '../dispatch/dispatcher.ts';
import type { Binding, FunctionEntry } from '../manifest/manifest.ts';
import type { Share } from '../manifest/shares.ts';
import { inTurns } from '../ports/in-turns.ts';
import type { Source } from '../ports/ports.ts';
import type { Endpoint } from '../sources/micro-service.ts';
import { startSchedules } from '../sources/schedules.ts';
import type { Duty } from './tenure.ts';

const AGAIN_MS = 1000;

export type FunctionDutyOptions = Omit<DispatcherOptions, 'fn'> & {
  share: Share;
  states: Pick<BindingStates, 'get'>;
  /** `owned`: whether no other bridge can have the function now. */
  sourceOf(binding: Binding, state: BindingState, owned: () => boolean): Promise<Source & { endpoints?: readonly Endpoint[] }>;
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
  let refusal: Error | undefined;
  let owned = () => true;
  /** What stands between a binding and its source. */
  const troubles = new Map<string, string>();
  /** One after the other: a binding is not attached while it is detached. */
  const inTurn = inTurns();

  const attach = async (to: Dispatcher, binding: Binding): Promise<void> => {
    const state = states.get(binding.name);
    endpoints.delete(binding.name);
    metrics.binding(binding.name).paused.set(state.paused ? 1 : 0);
    if (state.paused) return;
    const source = await sourceOf(binding, state, owned);
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
    if (!of) return;
    try {
      await of.detach(binding.name);
      await flush();
      await attach(of, binding);
      troubles.delete(binding.name);
      announceAll();
    } catch (error) {
      const why = `${binding.name} has no source: ${(error as Error).message}`;
      if (troubles.get(binding.name) !== why) log(why);
      troubles.set(binding.name, why);
      // Not in turn: what is said of the other bindings meanwhile does not wait for this one.
      clock.after(AGAIN_MS, () => {
        if (dispatcher === of) changed(binding.name);
      });
    }
  };

  const changed = (name: string): void => {
    const binding = bindings.find((one) => one.name === name);
    if (binding && dispatcher) void inTurn(() => replace(binding));
  };

  const release = async (): Promise<void> => {
    stopSchedules?.();
    stopService?.();
    stopService = undefined;
    const of = dispatcher;
    dispatcher = undefined;
    metrics.owned(share.name).set(0);
    for (const { name } of bindings) metrics.binding(name).paused.set(undefined);
    troubles.clear();
    await of?.drain();
    await flush();
  };

  return {
    name: share.name,
    share,
    take: (isOwned) =>
      inTurn(async () => {
        owned = isOwned;
        const of = createDispatcher({ ...options, fn });
        dispatcher = of;
        // All of them: one that is attached after the release would take messages that nobody handles.
        const attached = await Promise.allSettled(bindings.map((binding) => attach(of, binding)));
        refusal = attached.find((one) => one.status === 'rejected')?.reason;
        if (refusal) {
          await release();
          throw refusal;
        }
        announceAll();
        metrics.owned(share.name).set(1);
        stopSchedules = startSchedules({ functions: [fn], publisher: options.publisher, clock, log });
      }),
    handOver: () => inTurn(release),
    changed,
    blocked: () => refusal?.message ?? troubles.values().next().value ?? dispatcher?.blocked(),
    refusal: () => refusal,
    dispatcher: () => dispatcher,
  };
};
