import { describe, expect, test } from 'vitest';
import { list } from '#functions/recovery-coordinator/queries.ts';
import { recoveryKind } from '#functions/recovery-coordinator/recovery.ts';
import { controlRecoveryList } from '#shared/messages/control-supervision.ts';
import { agentStopped } from '#shared/messages/lifecycle.ts';
import { recovery } from '#shared/messages/supervision.ts';
import { defaultChild, type Supervisor } from '#shared/supervision/supervisor.ts';
import { received } from '#test/support/decide.ts';
import { recoveryWorld, START, type StartResult } from '#test/support/recovery-world.ts';

const MINUTE = 60_000;
const three = (strategy: 'one_for_one' | 'rest_for_one' | 'one_for_all') => ({ s1: { strategy, children: ['a1', 'a2', 'a3'] } });

const alone = (environment: Record<string, string> = {}, startResult?: () => StartResult) =>
  recoveryWorld({ forest: {}, strangers: ['a1'], environment, ...(startResult && { startResult }) });

describe('a crash', () => {
  test('is answered with an order to the supervisor of the agent, in the decision that heard of it', () => {
    const world = recoveryWorld({ forest: three('one_for_one') });
    world.crash('a2');
    const { recoveryId: recovery_id } = world.state('a2')?.plan ?? {};
    expect(world.published).toMatchObject([
      { subject: 'supervisor.s1.events', body: { event_type: 'recovering', recovery_id, affected_agents: ['a2'] } },
      {
        subject: 'supervisor.s1.cmd.restart',
        body: { agent_ids: ['a2'], attempt: 1, recovery_id, shutdown_ms: 5000, reason: 'process_crash', last_known: { a2: { tasks: [] } } },
      },
    ]);
  });

  test('is over when the agent is ready, and how long it took is said', () => {
    const world = recoveryWorld({ forest: three('one_for_one'), startTakes: 700 });
    world.crash('a2');
    world.until(START + MINUTE);
    expect(world.bodies('supervisor.s1.events').at(-1)).toMatchObject({
      event_type: 'recovered',
      affected_agents: ['a2'],
      attempts: 1,
      duration_ms: 700,
    });
  });

  test('of an agent that is nobody’s child is a matter of the supervisor that it names', () => {
    const world = alone();
    world.crash('a1');
    world.until(START + MINUTE);
    expect([world.commands(), world.told()]).toEqual([['supervisor.root.cmd.restart'], ['recovering root', 'recovered root']]);
  });

  test('of an agent that is nobody’s child disturbs no child of that supervisor', () => {
    const world = recoveryWorld({ forest: { root: { strategy: 'one_for_all', children: ['r1'] } }, strangers: ['a1'] });
    world.crash('a1');
    world.until(START + MINUTE);
    expect(world.log).toEqual(['start a1']);
  });

  test('hands over what the agent had: its tasks and its last snapshot', () => {
    const world = alone();
    const had = { tasks: [{ task_id: 't1', attempt: 1, assigned_at: '2026-01-01T00:00:00Z' }], snapshot: { page: 7 } };
    world.known.set('a1', had);
    world.crash('a1');
    expect(world.bodies('supervisor.root.cmd.restart')).toMatchObject([{ last_known: { a1: had } }]);
  });

  test('that is told twice is one recovery, and the second telling costs no write', () => {
    const world = alone();
    for (const id of ['e1', 'e1']) world.ask('a1', id);
    expect([world.commands().length, world.writes()]).toEqual([1, 1]);
  });

  test('that is heard of when the agent is back already disturbs nobody', () => {
    const world = recoveryWorld({ forest: three('one_for_all') });
    world.crash('a1');
    world.until(START + MINUTE);
    const before = world.commands().length;
    world.ask('a1', 'silent-a1', START);
    expect([world.commands().length, world.told()]).toEqual([before, ['recovering s1', 'recovered s1']]);
  });

  test('is recovered for whoever asks by hand, too', () => {
    const world = alone();
    world.tell(received(recovery, { agent_id: 'a1' }, { agent_id: 'a1', recovery_action: 'restart' }));
    expect(world.bodies('supervisor.root.cmd')).toMatchObject([{ agent_ids: ['a1'], reason: 'asked for' }]);
  });

  test('that asks for what nobody does is refused with a sentence', () => {
    const event = received(recovery, { agent_id: 'a1' }, { agent_id: 'a1', recovery_action: 'dance' });
    expect(alone().tell(event)).toMatchObject({
      outcome: 'deadLetter',
      reason: { message: 'recovery of agent a1 asks for dance, which nobody does: ask for restart' },
    });
  });
});

describe('the strategy', () => {
  test('one_for_one disturbs nobody else', () => {
    const world = recoveryWorld({ forest: three('one_for_one') });
    world.crash('a2');
    world.until(START + MINUTE);
    expect(world.log).toEqual(['start a2']);
  });

  test('rest_for_one stops those started later, the last one first, and starts them in order', () => {
    const world = recoveryWorld({ forest: { s1: { strategy: 'rest_for_one', children: ['a1', 'a2', 'a3', 'a4'] } } });
    world.crash('a2');
    world.until(START + MINUTE);
    expect(world.log).toEqual(['stop a4', 'stop a3', 'start a2', 'start a3', 'start a4']);
  });

  test('one_for_all restarts all', () => {
    const world = recoveryWorld({ forest: three('one_for_all') });
    world.crash('a2');
    world.until(START + MINUTE);
    expect(world.log).toEqual(['stop a3', 'stop a1', 'start a1', 'start a2', 'start a3']);
  });

  test('asks each agent at its own supervisor, and stops a survivor with a time to drain', () => {
    const world = recoveryWorld({
      forest: { root: { children: ['s1', 's2'] }, s1: { intensity: 0, children: ['a1'] }, s2: { children: ['b1'] } },
    });
    world.crash('a1');
    world.until(START + MINUTE);
    expect(world.commands()).toEqual(['agent.b1.cmd.shutdown', 'supervisor.s1.cmd.restart', 'supervisor.s2.cmd.restart']);
    expect(world.bodies('agent.b1.cmd')).toMatchObject([{ deadline: new Date(START + 5000).toISOString() }]);
  });

  test('a survivor that does not answer is asked again every second until its time is over', () => {
    const world = recoveryWorld({ forest: { s1: { strategy: 'rest_for_one', children: ['a1', { id: 'a2', shutdown: 3000 }] } } });
    world.running.delete('a2');
    world.crash('a1');
    world.until(START + MINUTE);
    const asked = world.bodies('agent.a2.cmd.shutdown');
    expect([asked.length, new Set(asked.map(({ command_id }) => command_id)).size, world.log]).toEqual([3, 1, ['start a1', 'start a2']]);
  });
});

describe('a restart that fails', () => {
  const failing = (times: number) => {
    let left = times;
    return (): StartResult => (left-- > 0 ? 'fails' : 'ready');
  };

  test('is tried again after a while, as another attempt of the same recovery', () => {
    const world = alone({}, failing(1));
    world.crash('a1');
    world.until(START + MINUTE);
    const orders = world.bodies('supervisor.root.cmd.restart');
    expect(orders.map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(new Set(orders.map(({ recovery_id }) => recovery_id)).size).toBe(1);
    expect(world.told()).toEqual(['recovering root', 'recovered root']);
  });

  test('of an agent that says nothing at all is over after its time', () => {
    let silent = true;
    const world = alone({}, () => (silent ? 'silent' : 'ready'));
    world.crash('a1');
    world.until(START + 7999);
    silent = false;
    world.until(START + 10_000);
    expect([world.commands().length, world.told()]).toEqual([2, ['recovering root', 'recovered root']]);
  });

  test('counts as a restart: the supervisor gives up, and all of it is restarted by the one above', () => {
    const forest = { root: { strategy: 'one_for_one' as const, children: ['s1'] }, s1: { intensity: 1, children: ['a1', 'a2'] } };
    const world = recoveryWorld({ forest, startResult: failing(1) });
    world.crash('a1');
    world.until(START + MINUTE);
    expect(world.told()).toEqual(['recovering s1', 'gave_up s1', 'recovering root', 'recovered root']);
    expect(world.log).toEqual(['stop a2', 'start a1', 'start a2']);
  });

  test('for good is escalated to people, once, when the uppermost supervisor gives up, too', () => {
    const world = recoveryWorld({
      forest: { root: { intensity: 2, children: ['s1'] }, s1: { intensity: 1, children: ['a1'] } },
      startResult: () => 'fails',
    });
    world.crash('a1');
    world.until(START + MINUTE);
    expect(world.told().filter((told) => told.startsWith('gave_up'))).toEqual(['gave_up s1', 'gave_up root']);
    expect(world.bodies('supervision.escalation')).toMatchObject([{ agent_id: 'a1', escalation_level: 4, supervisor_id: 'people' }]);
  });

  test('is escalated after 30 s, whatever else may still be tried', () => {
    const world = alone({ RESTART_INTENSITY: '100' }, () => 'silent');
    world.crash('a1');
    world.until(START + MINUTE);
    expect(world.bodies('supervisor.root.events').at(-1)).toMatchObject({ event_type: 'gave_up', duration_ms: 30_000 });
    expect(world.bodies('supervision.escalation')).toMatchObject([{ escalation_level: 3, supervisor_id: 'root' }]);
    expect(world.wakeAt('a1')).toBeNull();
  });

  test('for good leaves nobody down that the recovery stopped, in a tree and under the last supervisor', () => {
    const startResult = (agent: string): StartResult => (agent.startsWith('a') ? 'silent' : 'ready');
    const s1 = { intensity: 100, children: ['b1', 'a1', 'b2', 'b3'], strategy: 'one_for_all' as const };
    const root = { strategy: 'one_for_all' as const, children: ['t1', 't2'] };
    for (const forest of [{ s1 }, { root, t1: { children: ['a1', 'a2'] }, t2: { children: ['b1', 'b2', 'b3'] } }]) {
      const world = recoveryWorld({ forest, startResult });
      world.crash('a1');
      world.until(START + 5 * MINUTE);
      expect([...world.running].sort()).toEqual(['b1', 'b2', 'b3']);
    }
  });

  test('of one that was stopped with it is a case of its own, and keeps nobody waiting', () => {
    const forest = { root: { strategy: 'one_for_all' as const, children: ['s1', 'b1'] }, s1: { children: ['a1', 'a2'] } };
    const world = recoveryWorld({ forest, startResult: (agent) => (agent === 'b1' ? 'ready' : 'silent') });
    world.crash('a1');
    world.until(START + 5 * MINUTE);
    expect(world.bodies('supervision.escalation')).toMatchObject([
      { agent_id: 'a1', supervisor_id: 'people' },
      { agent_id: 'a2', supervisor_id: 'root', escalation_reason: 'not recovered: agent a2 was not ready within 8000 ms' },
    ]);
    expect([...world.running]).toEqual(['b1']);
  });

  test('of an agent that went to a supervisor that gives up at once is over, once', () => {
    const world = recoveryWorld({
      forest: { s1: { children: ['a1'] }, s2: { intensity: 0, children: ['a2'] } },
      startResult: () => 'silent',
    });
    world.crash('a1');
    world.places.set('a1', { supervisor: 's2' });
    world.until(START + MINUTE);
    expect(world.told()).toEqual(['recovering s1', 'gave_up s2', 'gave_up s1']);
  });

  test('of another order, or of one that is over, changes nothing', () => {
    const world = alone({}, () => 'ready');
    world.crash('a1');
    world.until(START + MINUTE);
    const before = world.writes();
    world.ready('a1');
    expect(world.writes()).toBe(before);
  });
});

describe('a crash loop', () => {
  test('is slowed down from the second crash within the period', () => {
    const world = alone();
    const waits = [1, 2, 3].map((n) => {
      world.until(START + n * 5000);
      world.crash('a1');
      const from = world.now();
      world.until(from + 4000);
      return (world.bodies('supervisor.root.events').at(-1)?.duration_ms as number) - 1;
    });
    expect(waits[0]).toBe(0);
    expect(Math.min(...waits.slice(1))).toBeGreaterThan(0);
    expect(waits[1]).toBeLessThanOrEqual(500);
    expect(waits[2]).toBeLessThanOrEqual(1000);
  });

  test('of an agent that is nobody’s child is escalated at the fourth crash within a minute', () => {
    const world = alone();
    for (const n of [1, 2, 3, 4]) {
      world.until(START + n * 5000);
      world.crash('a1');
    }
    expect(world.bodies('supervision.escalation')).toMatchObject([
      {
        escalation_level: 3,
        escalation_reason: 'not recovered: 3 recoveries within 60000 ms did not help: process_crash',
        original_failure: 'e4',
      },
    ]);
  });
});

describe('a second failure during a recovery', () => {
  test('of the agent that is being started joins it', () => {
    const world = recoveryWorld({ forest: three('one_for_one'), startTakes: 500 });
    for (const _ of ['crash', 'the health monitor noticed, too']) world.crash('a1');
    world.until(START + MINUTE);
    expect([world.log, world.told()]).toEqual([['start a1'], ['recovering s1', 'recovered s1']]);
  });

  test('of a survivor that is to stop saves the wait for it', () => {
    const world = recoveryWorld({ forest: three('rest_for_one') });
    world.running.delete('a3');
    world.crash('a1');
    world.crash('a3');
    world.until(START + 10);
    expect(world.log).toEqual(['stop a2', 'start a1', 'start a2', 'start a3']);
  });

  test('of an agent that was ready already begins again from it, as part of the same recovery', () => {
    const world = recoveryWorld({ forest: three('rest_for_one'), startTakes: 100 });
    world.crash('a1');
    world.until(START + 150);
    world.crash('a1');
    world.until(START + MINUTE);
    expect(world.log.slice(2)).toEqual(['start a1', 'start a2', 'stop a2', 'start a1', 'start a2', 'start a3']);
    expect(world.told()).toEqual(['recovering s1', 'recovered s1']);
  });

  test('of an agent that was started before draws it in', () => {
    const world = recoveryWorld({ forest: three('rest_for_one'), startTakes: 100 });
    world.crash('a2');
    world.until(START + 50);
    world.crash('a1');
    world.until(START + MINUTE);
    expect(world.log).toEqual(['stop a3', 'start a2', 'stop a2', 'start a1', 'start a2', 'start a3']);
    expect(world.bodies('supervisor.s1.events').map(({ affected_agents }) => affected_agents)).toEqual([
      ['a2', 'a3'],
      ['a1', 'a2', 'a3'],
      ['a1', 'a2', 'a3'],
    ]);
  });
});

describe('an agent that stops by itself', () => {
  const child = (restart: 'permanent' | 'transient' | 'temporary', significant = false) => ({ id: 'a2', restart, significant });
  const ending = (restart: 'permanent' | 'transient' | 'temporary', reason?: string) => {
    const world = recoveryWorld({ forest: { s1: { children: ['a1', child(restart), 'a3'] } } });
    world.end('a2', reason);
    world.until(START + MINUTE);
    return world;
  };

  test('is started again where it is permanent', () => {
    expect(ending('permanent').log).toEqual(['start a2']);
  });

  test.each(['transient', 'temporary'] as const)('is left alone where it is %s', (restart) => {
    expect(ending(restart).published).toEqual([]);
  });

  test('and is back when that is heard disturbs nobody', () => {
    const world = recoveryWorld({ forest: three('one_for_all') });
    world.crash('a1');
    world.until(START + MINUTE);
    const before = world.writes();
    world.tell(received(agentStopped, { agent_id: 'a1' }, { agent_id: 'a1' }));
    expect(world.writes()).toBe(before);
  });

  test('because its supervisor stopped it is left alone', () => {
    expect(ending('permanent', 'shutdown').published).toEqual([]);
  });

  test('is nobody’s matter where it is nobody’s child', () => {
    const world = alone();
    world.end('a1');
    expect(world.writes()).toBe(0);
  });

  test('and is significant ends its supervisor, which its own supervisor restarts where it is permanent', () => {
    const s1 = { autoShutdown: 'any_significant' as const, children: ['a1', child('transient', true), 'a3'] };
    const world = recoveryWorld({ forest: { root: { strategy: 'one_for_one', children: ['s1'] }, s1 } });
    world.end('a2');
    world.until(START + MINUTE);
    expect(world.told()).toEqual(['auto_shutdown s1', 'recovering root', 'recovered root']);
    expect(world.log).toEqual(['stop a3', 'stop a1', 'start a1', 'start a2', 'start a3']);
  });

  test('and ends a transient supervisor leaves nothing of it running', () => {
    const s1 = { autoShutdown: 'any_significant' as const, children: ['a1', child('transient', true), 'a3'] };
    const world = recoveryWorld({ forest: { root: { children: [{ id: 's1', restart: 'transient' as const }, 'b1'] }, s1 } });
    world.end('a2');
    world.until(START + MINUTE);
    expect([world.told(), world.log]).toEqual([['auto_shutdown s1'], ['stop a3', 'stop a1']]);
  });
});

test('a temporary child that fails is not started again, and that is said', () => {
  const world = recoveryWorld({ forest: { s1: { children: [{ id: 'a1', restart: 'temporary' }] } } });
  world.crash('a1');
  world.until(START + MINUTE);
  expect([world.commands(), world.told()]).toEqual([[], ['not_restarted s1']]);
});

test('supervisors that are somewhere else by now are forgotten with the next restart', () => {
  const world = recoveryWorld({
    forest: { root: { children: ['s1', 's2'] }, s1: { intensity: 0, children: ['a1'] }, s2: { intensity: 0, children: ['a2'] } },
  });
  const restarted = () => Object.keys((world.stateOf('restarts#root') as { restarted: object }).restarted);
  world.crash('a1');
  expect(restarted()).toEqual(['s1', 's2']);
  world.supervisors.set('root', {
    ...(world.supervisors.get('root') as Supervisor),
    children: [{ ...defaultChild('s2'), type: 'supervisor' }],
  });
  world.until(START + MINUTE);
  world.crash('a2');
  expect(restarted()).toEqual(['s2']);
});

test('a supervisor with more agents than can be restarted in time is a matter for people', () => {
  const world = recoveryWorld({ forest: { root: { children: Array.from({ length: 1001 }, (_, n) => `a${n}`) } } });
  world.crash('a1');
  expect(world.bodies('')).toMatchObject([
    {
      escalation_level: 3,
      escalation_reason: 'not recovered: supervisor root would restart 1001 agents, divide them among more supervisors: process_crash',
    },
  ]);
});

test('an operator sees the recoveries under way', () => {
  const world = recoveryWorld({ forest: three('one_for_one'), startTakes: 500 });
  world.crash('a1');
  const { plan } = recoveryKind.schema.parse(world.state('a1'));
  const answer = list.answer({ plans: [plan, null] }, received(controlRecoveryList, {}, {}), START);
  expect(answer).toMatchObject({
    body: {
      recoveries: [
        { supervisor_id: 's1', affected_agents: ['a1'], to_start: ['a1'], waits_for: { agent_id: 'a1', to: 'start' }, attempts: 1 },
      ],
    },
  });
});

test('a time in which nobody was heard does not count', () => {
  const world = alone({}, () => 'silent');
  world.crash('a1');
  world.lateUntil(START + 20_000, 6000);
  world.ready('a1');
  expect([world.commands().length, world.told()]).toEqual([1, ['recovering root', 'recovered root']]);
});

test('alarms that are always late keep no recovery under way for ever', () => {
  const world = alone({ RESTART_INTENSITY: '100' }, () => 'silent');
  world.crash('a1');
  world.lateUntil(START + 5 * MINUTE, 3000);
  expect(world.told()).toEqual(['recovering root', 'gave_up root']);
});

test('a stray alarm changes nothing', () => {
  const world = recoveryWorld({ forest: three('one_for_one'), startTakes: 500 });
  world.crash('a1');
  world.ring('a1');
  world.ring('a2');
  expect([world.commands().length, world.writes()]).toEqual([1, 1]);
});
