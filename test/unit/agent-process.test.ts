/** The life of an agent's process under `npm run supervise`: it dies by itself, it is restarted by order, it never restarts itself. */
import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { type Deed, describeEnd, type End, type Happening, type Order, type Phase, step } from '#infra/supervise/agent-process.ts';

const killed: End = { code: null, signal: 'SIGKILL' };
const fine: End = { code: 0, signal: null };
const order: Order = { recoveryId: 'r1', attempt: 1 };
const again: Order = { recoveryId: 'r1', attempt: 2 };

const live = (phase: Phase, ...happenings: Happening[]): { phase: Phase; deeds: Deed[] } => {
  const deeds: Deed[] = [];
  for (const happening of happenings) {
    const next = step(phase, happening);
    phase = next.phase;
    deeds.push(...next.deeds);
  }
  return { phase, deeds };
};
const afterStart = (...happenings: Happening[]) => {
  const { phase, deeds } = live({ is: 'down' }, { is: 'start' }, { is: 'ready' }, ...happenings);
  return { phase: phase.is, deeds: deeds.slice(1) };
};

describe('a process that runs', () => {
  it('is told as crashed when it is killed, and stays down', () => {
    expect(afterStart({ is: 'ended', end: killed })).toEqual({ phase: 'down', deeds: [{ do: 'tell_crash', end: killed }] });
  });

  it('is told as stopped when it ends with exit code 0', () => {
    expect(afterStart({ is: 'ended', end: fine }).deeds).toEqual([{ do: 'tell_stopped', reason: 'normal' }]);
  });

  it('is ended and started again by an order, and its end is no failure', () => {
    expect(afterStart({ is: 'order', order }, { is: 'ended', end: killed }, { is: 'ready' })).toEqual({
      phase: 'ready',
      deeds: [
        { do: 'terminate', order },
        { do: 'spawn', order },
      ],
    });
  });

  it('ends with its supervisor', () => {
    expect(afterStart({ is: 'stop' }, { is: 'ended', end: killed })).toEqual({
      phase: 'down',
      deeds: [{ do: 'terminate' }, { do: 'tell_stopped', reason: 'shutdown' }],
    });
  });
});

describe('a restart', () => {
  it('of what has died only starts it', () => {
    expect(live({ is: 'down' }, { is: 'order', order })).toEqual({ phase: { is: 'starting', order }, deeds: [{ do: 'spawn', order }] });
  });

  it.each([
    [killed, 'it was killed by SIGKILL before it was ready'],
    [fine, 'it ended with exit code 0 before it was ready'],
    [{ ...killed, error: 'spawn x ENOENT' }, 'it could not be started: spawn x ENOENT before it was ready'],
  ])('that fails is told as that, not as another failure: %j', (end, why) => {
    const { deeds } = live({ is: 'down' }, { is: 'order', order }, { is: 'ended', end });
    expect(deeds.slice(1)).toEqual([{ do: 'tell_not_restarted', order, why }]);
  });

  it('in the middle of another one takes its place', () => {
    const { deeds } = afterStart({ is: 'order', order }, { is: 'order', order: again }, { is: 'ended', end: fine });
    expect(deeds).toEqual([
      { do: 'terminate', order },
      { do: 'spawn', order: again },
    ]);
  });

  it('of what was to shut down brings it back', () => {
    const { phase, deeds } = afterStart({ is: 'shutdown' }, { is: 'order', order }, { is: 'ended', end: fine });
    expect([phase, deeds]).toEqual(['starting', [{ do: 'terminate' }, { do: 'spawn', order }]]);
  });

  it('of what ends for good is refused', () => {
    const { phase, deeds } = afterStart({ is: 'stop' }, { is: 'order', order });
    expect([phase, deeds.at(-1)]).toEqual(['stopping', { do: 'tell_not_restarted', order, why: 'its supervisor is stopping' }]);
  });
});

test('an end, for people', () => {
  expect([fine, killed, { ...killed, error: 'no such file' }].map(describeEnd)).toEqual([
    'ended with exit code 0',
    'was killed by SIGKILL',
    'could not be started: no such file',
  ]);
});

const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc.constantFrom<Happening>(
    { is: 'start' },
    { is: 'ready' },
    { is: 'stop' },
    { is: 'shutdown' },
    { is: 'order', order },
    { is: 'order', order: again },
  ),
  fc.constantFrom<Happening>({ is: 'ended', end: killed }, { is: 'ended', end: fine }),
);

test('whatever happens, there is at most one process, each is wanted, and each end is told at most once', () => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 40 }), (happenings) => {
      let phase: Phase = { is: 'down' };
      const seen = { processes: 0, wanted: 0, spawned: 0, ended: 0, told: 0 };
      for (const one of happenings) {
        // Only what runs can end.
        if (one.is === 'ended' && seen.processes === 0) continue;
        if (one.is === 'ended') [seen.processes, seen.ended] = [0, seen.ended + 1];
        if (one.is === 'start' || one.is === 'order') seen.wanted++;
        const next = step(phase, one);
        const done = next.deeds.map((deed) => deed.do);
        seen.processes += done.filter((deed) => deed === 'spawn').length;
        seen.spawned += done.filter((deed) => deed === 'spawn').length;
        seen.told += done.filter((deed) => deed === 'tell_crash' || deed === 'tell_stopped').length;
        phase = next.phase;
        expect(seen.processes).toBe(phase.is === 'down' ? 0 : 1);
      }
      expect([seen.spawned <= seen.wanted, seen.told <= seen.ended]).toEqual([true, true]);
    }),
  );
});
