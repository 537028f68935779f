/** A dispatcher's parts, for a test of one of them. */
import { createConcurrency } from '#infra/bridge/dispatch/concurrency.ts';
import type { Dispatch } from '#infra/bridge/dispatch/dispatch.ts';
import type { Held } from '#infra/bridge/dispatch/held.ts';
import type { Delivery } from '#infra/bridge/ports/ports.ts';
import { systemClock } from '#shared/clock.ts';
import { aFunction, memoryInHand, noMetrics } from './fake-ports.ts';

/** `over` has the invoker that the test is about. */
export const aDispatch = (over: Partial<Dispatch> & Pick<Dispatch, 'invoker'>): Dispatch => ({
  fn: aFunction(),
  publisher: { publish: async () => {}, setTimers: async () => {}, maxBytes: () => 1_000_000 },
  clock: systemClock,
  random: () => 0,
  writeMargin: 500,
  metrics: noMetrics.function('fn'),
  concurrency: createConcurrency(1),
  log: () => {},
  attached: [],
  tryAgain() {},
  inHand: memoryInHand(),
  elsewhere: async () => ({}),
  oneAtATime: (step) => step(),
  blocked: new Map(),
  ...over,
});

export const aHeld = (delivery: Delivery, consumer: string): Held => ({
  delivery,
  consumer,
  tracked: undefined,
  key: delivery.record.id,
  bytes: delivery.bytes,
  queuedAt: delivery.receivedAt,
  alone: false,
  released: false,
});
