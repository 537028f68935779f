/** Priority work queues (issue 8): their names, and in which turns a worker looks at them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { orderOf, PRIORITIES, queueConsumer, queueName, queueOf, TURNS } from '#infra/bridge/queues/work-queue.ts';
import { overlap } from '#infra/nats/subject-filters.ts';

const domain = fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/);
const queue = fc.record({ domain, priority: fc.constantFrom(...PRIORITIES) });

describe('a queue of work', () => {
  it('is found by its name, dashes in the domain or not', () => {
    fc.assert(
      fc.property(queue, (one) => {
        expect(queueOf(queueName(one))).toEqual(one);
      }),
    );
  });

  it.each(['work-nlp', 'work-nlp-urgent', 'workers-nlp-low', 'x-work-nlp-low'])('is nothing that is called %s', (name) => {
    expect(queueOf(name)).toBeUndefined();
  });

  it('has no work in common with another one', () => {
    const filter = (one: Parameters<typeof queueConsumer>[0]) => queueConsumer(one).filter_subject as string;
    fc.assert(
      fc.property(queue, queue, (one, other) => {
        expect(overlap(filter(one), filter(other))).toBe(queueName(one) === queueName(other));
      }),
    );
  });
});

describe('the turns of a worker', () => {
  const turns = Array.from({ length: TURNS }, (_, n) => n + 1);

  it('are 8 for critical, 4 for high, 2 for normal and 1 for low', () => {
    const first = turns.map((turn) => orderOf(turn)[0]);
    expect(PRIORITIES.map((priority) => first.filter((one) => one === priority).length)).toEqual([8, 4, 2, 1]);
  });

  it('are spread: critical is never two turns away', () => {
    const round = [...turns, 1].map((turn) => orderOf(turn)[0]);
    expect(round.flatMap((one, n) => (n > 0 && one !== 'critical' && round[n - 1] !== 'critical' ? n : []))).toEqual([]);
  });

  it('leave a turn to the others, the most urgent first, when its own has nothing', () => {
    expect(orderOf(8)).toEqual(['low', 'critical', 'high', 'normal']);
    expect(turns.map((turn) => orderOf(turn).toSorted())).toEqual(turns.map(() => [...PRIORITIES].toSorted()));
  });
});
