/** Sagas: steps in order, compensations in reverse, each once, whatever the bus does to what is said of their tasks. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Saga, sagaOf, taskIdOf } from '#functions/saga/state.ts';
import { isToken } from '#shared/subjects.ts';
import { type Deed, failed, ok, type Reaching, sagaWorld, step } from '#test/support/saga-world.ts';

const trip = [step('flight'), step('hotel'), step('car')];
const carFails = (deed: Deed) => (what: string) => (what === 'do car' ? deed : ok());

describe('a saga', () => {
  test('does its steps one after the other, each as a task of its own, and says how far it is', () => {
    const world = sagaWorld();
    world.start(trip);
    world.pass(100);
    expect(world.log).toEqual(['do flight', 'do hotel', 'do car']);
    expect(world.said()).toEqual(['complete flight', 'complete hotel', 'complete car', 'complete completed']);
    expect(world.submitted[1]).toEqual({
      task_id: 'saga-s1-02',
      coordination_type: 'assignment',
      requirements: { capabilities: ['hotel'], timeout_ms: 1000, max_attempts: 1 },
      payload: { do: 'hotel' },
    });
  });

  test('that fails in step 3 is undone 2, 1', () => {
    const world = sagaWorld({ deed: carFails(failed) });
    world.start(trip);
    world.pass(100);
    expect(world.log).toEqual(['do flight', 'do hotel', 'undo hotel', 'undo flight']);
    expect(world.said().slice(2)).toEqual(['complete undone hotel', 'complete undone flight', 'error compensated car']);
    expect(world.bodies('coord.s1.error')).toEqual([{ workflow_id: 's1', status: 'compensated', error: 'no room', stage: 'car' }]);
  });

  test('gives a compensation what its action answered', () => {
    const world = sagaWorld({ deed: (what) => (what === 'do car' ? failed : ok({ booking: what })) });
    world.start(trip);
    world.pass(100);
    expect(world.submitted[3]?.payload).toEqual({ payload: { undo: 'hotel' }, result: { booking: 'do hotel' } });
  });

  test.each<[string, Deed, boolean]>([
    ['failed at once', failed, false],
    ['was given to nobody', { outcome: 'unassigned', acts: false, attempts: 0 }, false],
    ['ran out of time', { outcome: 'timed_out', acts: true, attempts: 1 }, true],
    ['lost its agent', { outcome: 'failed', acts: true, attempts: 1, error: { code: 'agent_lost' } }, true],
    ['failed after an attempt that may have acted', { outcome: 'failed', acts: true, attempts: 2 }, true],
  ])('whose step %s undoes it only when it may have acted', (_, deed, isUndone) => {
    const world = sagaWorld({ deed: carFails(deed) });
    world.start(trip);
    world.pass(100);
    expect(world.log.includes('undo car')).toBe(isUndone);
    expect(world.state('s1')?.phase).toBe('compensated');
  });

  test('skips steps that have nothing to undo', () => {
    const { compensation: _, ...mail } = step('mail');
    const world = sagaWorld({ deed: carFails(failed) });
    world.start([step('flight'), mail, step('car')]);
    world.pass(100);
    expect(world.log).toEqual(['do flight', 'do mail', 'undo flight']);
    expect(world.state('s1')?.steps.map(({ status }) => status)).toEqual(['undone', 'kept', 'failed']);
  });

  test('asks for a compensation that fails again, later each time, then calls people once, and goes on when they say so', () => {
    const world = sagaWorld({
      deed: (what, round) => (what === 'do car' || (what === 'undo hotel' && round <= 3) ? failed : ok()),
      environment: { SAGA_UNDO_ROUNDS: '3', SAGA_UNDO_BACKOFF_MS: '1000' },
    });
    world.start(trip);
    world.pass(999);
    expect(world.submitted.map(({ task_id }) => task_id).slice(3)).toEqual(['saga-s1-02u1']);
    world.pass(3000);
    expect(world.submitted.map(({ task_id }) => task_id).slice(3)).toEqual(['saga-s1-02u1', 'saga-s1-02u2', 'saga-s1-02u3']);
    expect(world.bodies('alerts.critical').map(({ summary }) => summary)).toEqual([
      'saga s1 is stuck: step hotel could not be undone in 3 rounds: mend it, then ask control.saga.cancel to go on',
    ]);
    world.cancel();
    world.pass(100);
    expect([world.state('s1')?.phase, world.log.slice(2)]).toEqual(['compensated', ['undo hotel', 'undo flight']]);
  });

  test('that is cancelled calls its task off, waits for its end and undoes what was done', () => {
    const world = sagaWorld({ telling: () => [50] });
    world.start(trip);
    world.pass(60);
    world.cancel();
    expect(world.bodies('control.tasks.cancel')).toEqual([{ task_id: 'saga-s1-02', reason: 'not wanted' }]);
    world.pass(1000);
    expect(world.log).toEqual(['do flight', 'do hotel', 'undo hotel', 'undo flight']);
  });

  test('undoes a step whose end it did not hear: the table does not say whether it acted', () => {
    const vanishes: Deed = { outcome: 'failed', acts: true, attempts: 1 };
    const world = sagaWorld({ deed: (what) => (what === 'do flight' ? vanishes : ok()), telling: () => [] });
    world.start([step('flight')]);
    world.pass(200_000);
    expect(world.log).toEqual(['do flight', 'undo flight']);
  });

  test('whose alarm is late waits for what was not heard meanwhile: it says more than the table', () => {
    const world = sagaWorld({ telling: () => [] });
    world.start([step('flight'), step('hotel')]);
    world.until(world.now() + 45_000, 10_000);
    world.done({ task_id: 'saga-s1-01', outcome: 'completed', attempts: 1, result: 7 });
    expect(world.children('s1').get('result/01')).toBe(7);
  });

  test('looks at the table when it hears nothing of its task, and asks again for one that is not known', () => {
    const world = sagaWorld({ telling: () => [] });
    world.start(trip);
    world.pass(200_000);
    expect([world.state('s1')?.phase, world.log]).toEqual(['completed', ['do flight', 'do hotel', 'do car']]);
  });

  test('whose task nobody knows says so to people, and asks again', () => {
    const world = sagaWorld({ reaching: () => [] });
    world.start(trip);
    world.pass(90_000);
    expect(world.bodies('coordination.tasks.').map(({ task_id }) => task_id)).toEqual(Array(3).fill('saga-s1-01'));
    expect(world.bodies('alerts.critical')[0]?.summary).toContain('saga s1 waits for task saga-s1-01');
  });

  test('waits for the end of a task that the table has just heard of: it says more than the table', () => {
    const world = sagaWorld({ deed: () => ok(7), reaching: () => [31_900], telling: () => [200] });
    world.start([step('flight'), step('hotel')]);
    world.pass(100_000);
    expect(world.children('s1').get('result/01')).toBe(7);
  });

  test('believes the table when its alarms are late for good', () => {
    const world = sagaWorld({ telling: () => [] });
    world.start([step('flight')]);
    world.pass(10);
    world.until(world.now() + 200_000, 3000);
    expect([world.state('s1')?.phase, world.log]).toEqual(['completed', ['do flight']]);
  });

  test('gives a compensation no more than its task can hold', () => {
    const large = 'x'.repeat(290_000);
    const world = sagaWorld({ deed: (what) => (what === 'do car' ? failed : ok(large)) });
    const undoes = { capabilities: ['unhotel'], payload: { undo: 'hotel', note: 'x'.repeat(20_000) } };
    world.start([step('flight'), step('hotel', { compensation: undoes }), step('car')]);
    world.pass(100);
    expect(world.submitted.slice(3).map(({ payload }) => payload)).toEqual([
      { payload: undoes.payload },
      { payload: { undo: 'flight' }, result: large },
    ]);
  });

  test('does nothing when an alarm is early, or nobody set it', () => {
    const world = sagaWorld({ telling: () => [10] });
    world.start(trip);
    for (const more of [{}, { swept: true as const }]) expect(world.ring('s1', more)).toEqual({ outcome: 'done' });
    world.pass(100);
    expect([world.state('s1')?.phase, world.ring('s1')]).toEqual(['completed', { outcome: 'done' }]);
  });

  test('is one saga however often it is started, and its id is no other one', () => {
    const world = sagaWorld();
    expect(world.start(trip)).toMatchObject({ reply: { body: { saga_id: 's1', steps: 3 } } });
    expect(world.start(trip)).toMatchObject({ reply: { body: { saga_id: 's1', steps: 3 } } });
    expect(world.start([step('other')])).toMatchObject({ reply: { error: { code: 'already_known' } } });
  });
});

test("a task is found to be its saga's, whatever the id of the saga looks like", () => {
  const ids = fc.oneof(
    fc.stringMatching(/^[A-Za-z0-9_-]{1,100}$/),
    fc.constantFrom('01', 's-01', 's-01u1', 'saga-s-02', '-', 'constructor'),
  );
  fc.assert(
    fc.property(ids, fc.nat(98), fc.constantFrom('acting', 'undoing'), fc.integer({ min: 1, max: 999 }), (id, at, status, rounds) => {
      const steps = Array.from({ length: 99 }, () => ({ status, rounds }));
      const taskId = taskIdOf(id, { at, steps } as unknown as Saga);
      expect([isToken(taskId), sagaOf(taskId)]).toEqual([true, id]);
    }),
  );
});

/** What a saga does in effect, said without messages: dos in order until one fails, then undos of what was done, in reverse. */
const model = (deeds: readonly Deed[]): string[] => {
  const failing = deeds.findIndex(({ outcome }) => outcome !== 'completed');
  const tried = failing === -1 ? deeds : deeds.slice(0, failing + 1);
  const dos = tried.flatMap(({ acts }, n) => (acts ? [`do n${n}`] : []));
  return failing === -1 ? dos : [...dos, ...dos.toReversed().map((line) => `un${line}`)];
};

const deeds = fc.array(
  fc.constantFrom<Deed>(
    ...[ok(), ok(), ok(), ok(), failed],
    { outcome: 'timed_out', acts: true, attempts: 1 },
    { outcome: 'timed_out', acts: false, attempts: 3 },
    { outcome: 'unassigned', acts: false, attempts: 0 },
    { outcome: 'failed', acts: true, attempts: 2 },
  ),
  { minLength: 1, maxLength: 6 },
);
/** Ends that are told once, repeated, long after, or never. */
const tellings = fc.array(fc.array(fc.constantFrom(0, 0, 3, 700, 90_000), { maxLength: 3 }), { minLength: 1, maxLength: 20 });
/** Tasks that reach task-assignment once, twice, or only after the bridge was started again. */
const reachings = fc.array(fc.constantFrom<Reaching>([0], [0], [0, 0], [0, 5000], [40_000]), { minLength: 1, maxLength: 20 });
const stumbles = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 6, maxLength: 6 });

test('with crashes, and with messages that are late, repeated, reordered and lost, a saga does what the model does, once, and ends', () => {
  fc.assert(
    fc.property(deeds, tellings, reachings, stumbles, (plan, told, reached, stumbling) => {
      let n = 0;
      let sent = 0;
      const world = sagaWorld({
        deed: (what, round) => {
          const at = Number(what.split(' n')[1]);
          if (what.startsWith('do')) return plan[at] as Deed;
          return round <= (stumbling[at] ?? 0) ? failed : ok();
        },
        telling: () => told[n++ % told.length] as number[],
        reaching: () => reached[sent++ % reached.length] as Reaching,
        environment: { SAGA_UNDO_ROUNDS: '2' },
      });
      world.start(plan.map((_, at) => step(`n${at}`)));
      // Whoever is called mends it; every alarm of a silent task comes 32 s later at the most.
      for (let round = 0; round < 20; round++) {
        world.pass(600_000);
        if (world.state('s1')?.phase === 'stuck') world.cancel();
      }
      expect(world.log).toEqual(model(plan));
      const isDone = plan.every(({ outcome }) => outcome === 'completed');
      expect([world.state('s1')?.phase, world.wakeAt('s1')]).toEqual([isDone ? 'completed' : 'compensated', null]);
      const ends = world.said().filter((line) => line === 'complete completed' || line.startsWith('error compensated'));
      expect(ends).toHaveLength(1);
    }),
    { numRuns: 500 },
  );
});

/** A crash before the write, or before what it publishes, makes that late; one before the acknowledgement repeats it; a stream loses it. */
const crashes: (readonly number[])[] = [[], [40_000], [0, 40_000], [90_000, 90_000]];

test.each(crashes.map((times) => [times] as const))(
  'goes on where it was after a crash at each step, by which it is told after %j ms',
  (times) => {
    const isHit = (at: number) => {
      let n = 0;
      return () => (n++ === at ? times : [0]);
    };
    for (let at = 0; at < 6; at++)
      for (const crash of [{ reaching: isHit(at) }, { telling: isHit(at) }]) {
        const world = sagaWorld({ deed: carFails({ outcome: 'timed_out', acts: true, attempts: 1 }), ...crash });
        world.start(trip);
        world.pass(1_000_000);
        expect(world.log).toEqual(['do flight', 'do hotel', 'do car', 'undo car', 'undo hotel', 'undo flight']);
        expect([world.state('s1')?.phase, world.wakeAt('s1'), world.bodies('coord.s1.error').length]).toEqual(['compensated', null, 1]);
      }
  },
);

test('cancelled at any moment it ends, whatever goes wrong, and nothing that was done stays undone', () => {
  fc.assert(
    fc.property(
      deeds,
      tellings,
      stumbles,
      fc.array(fc.integer({ min: 0, max: 200_000 }), { minLength: 1, maxLength: 3 }),
      (plan, told, stumbling, after) => {
        let n = 0;
        const world = sagaWorld({
          deed: (what, round) => {
            const at = Number(what.split(' n')[1]);
            if (what.startsWith('do')) return plan[at] as Deed;
            return round <= (stumbling[at] ?? 0) ? failed : ok();
          },
          telling: () => told[n++ % told.length] as number[],
          environment: { SAGA_UNDO_ROUNDS: '2' },
        });
        world.start(plan.map((_, at) => step(`n${at}`)));
        for (const ms of [...after, ...Array(20).fill(600_000)]) {
          world.pass(ms);
          world.cancel();
        }
        const [dos, undos] = [world.log.filter((line) => line.startsWith('do ')), world.log.filter((line) => line.startsWith('undo '))];
        const expected = world.state('s1')?.phase === 'completed' ? [] : dos.toReversed().map((line) => `un${line}`);
        expect([['completed', 'compensated'].includes(world.state('s1')?.phase ?? ''), undos]).toEqual([true, expected]);
      },
    ),
    { numRuns: 300 },
  );
});
