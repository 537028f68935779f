/** Who hears what across accounts: two domains and CONTROL, with everybody at another server than most. */
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Role } from '#infra/nats/key-folder.ts';
import { domainPermissions, operatorPermissions } from '#infra/nats/permissions.ts';
import { type NatsCluster, setupNatsCluster } from '#test/support/nats-cluster.ts';

/** An agent, a coordinator and a supervisor in each of two domains, and an operator in CONTROL. */
const users: [id: string, server: number, role: Role, domain?: string][] = [
  ['agent-n', 0, 'agent', 'nlp'],
  ['coord-n', 1, 'coordinator', 'nlp'],
  ['super-n', 2, 'supervisor', 'nlp'],
  ['agent-v', 1, 'agent', 'vision'],
  ['coord-v', 2, 'coordinator', 'vision'],
  ['super-v', 0, 'supervisor', 'vision'],
  ['operator', 1, 'operator'],
  ['bridge', 2, 'bridge'],
];
const everyone = ['agent-n', 'agent-v', 'coord-n', 'coord-v', 'super-n', 'super-v'];
const nlp = ['agent-n', 'coord-n', 'super-n'];

const rows: [who: string, subject: string, heardBy: string[]][] = [
  // From a domain: its own, and CONTROL.
  ['agent-n', 'agent.agent-n.ready', ['super-n', 'operator']],
  ['agent-n', 'agent.agent-n.heartbeat', ['super-n', 'operator']],
  ['agent-n', 'supervision.failures.high', ['super-n', 'operator']],
  ['agent-v', 'supervision.health.agent-v', ['super-v', 'operator']],
  ['super-n', 'supervisor.super-n.events', ['super-n', 'operator']],
  ['super-n', 'agent.agent-n.created', ['super-n', 'operator']],
  ['agent-n', 'agents.registry.available', ['super-n', 'operator']],
  ['agent-n', 'coordination.tasks.status.t1', ['operator']],
  ['agent-n', 'gather.r1.result', ['coord-n', 'operator']],
  ['agent-n', 'circuit.ocr.open', nlp],
  ['agent-n', 'election.nlp.heartbeat', [...nlp, 'operator']],
  ['agent-n', 'orchestrator.agent.super-n.question', ['super-n', 'operator']],
  ['agent-n', 'orchestrator.agent.agent-v.question', ['operator']],
  ['agent-n', 'orchestrator.broadcast.question', [...nlp, 'operator']],
  ['agent-n', 'pipeline.w1.01.extract', [...nlp, 'operator']],
  ['coord-n', 'scatter.r1.task', [...nlp, 'operator']],
  ['coord-n', 'agent.agent-n.cmd.pause', ['agent-n']],
  ['coord-n', 'agent.agent-v.cmd.pause', []],
  ['coord-n', 'broadcast.domain.nlp.retrained', nlp],
  // From a domain to another one: the two contracts.
  ['agent-n', 'agents.vision.agent-v-role.read', ['agent-v']],
  ['agent-v', 'agents.nlp.agent-n-role.read', ['agent-n']],
  ['agent-n', 'agents.nlp.agent-n-role.read', ['agent-n']],
  ['coord-v', 'work.nlp.high.parse', [...nlp, 'operator']],
  ['coord-n', 'work.nlp.high.parse', [...nlp, 'operator']],
  // From CONTROL: to whom it is, wherever that is.
  ['operator', 'agent.agent-n.cmd.pause', ['agent-n', 'operator']],
  ['operator', 'agent.agent-n.cmd.shutdown', ['agent-n', 'super-n', 'super-v', 'operator']],
  ['operator', 'agent.agent-v.cmd.pause', ['agent-v', 'operator']],
  ['operator', 'health.check.agent-n', ['agent-n', 'operator']],
  ['operator', 'health.check.all', [...everyone, 'operator']],
  ['operator', 'agents.vision.agent-v-role.read', ['agent-v', 'operator']],
  ['operator', 'broadcast.global.reload', [...everyone, 'operator']],
  ['operator', 'broadcast.emergency.stop', [...everyone, 'operator']],
  ['operator', 'broadcast.domain.vision.reload', ['agent-v', 'coord-v', 'super-v', 'operator']],
  // The bridge publishes what functions answer.
  ['bridge', 'coordination.tasks.assignment.agent-n', ['agent-n', 'operator']],
  ['bridge', 'coordination.tasks.done.t1', ['coord-n', 'coord-v', 'operator']],
  ['bridge', 'supervision.recovery.agent-n', ['super-n', 'super-v', 'operator']],
  ['bridge', 'supervisor.super-v.cmd.restart', ['super-v', 'operator']],
  ['bridge', 'circuit.ocr.half-open', [...everyone, 'operator']],
  ['bridge', 'gather.r1.complete', ['coord-n', 'coord-v', 'operator']],
  ['bridge', 'work.vision.low.ocr', ['operator']],
  ['bridge', 'election.nlp.leader', [...nlp, 'operator']],
  ['bridge', 'coordination.consensus.c1.result', [...everyone, 'operator']],
  ['bridge', 'supervision.escalation.4', ['operator']],
  ['bridge', 'alerts.critical', ['operator']],
  ['bridge', 'dlq.work.nlp.high.parse', ['operator']],
];

let cluster: NatsCluster;
const connections = new Map<string, NatsConnection>();
const heard: [id: string, message: string][] = [];

const hears = (id: string, role: Role, domain?: string): string[] =>
  domain
    ? domainPermissions(role as 'agent', { id, domain, name: `${id}-role` }).subscribe
    : role === 'operator'
      ? operatorPermissions({ id }).subscribe
      : [];

beforeAll(async () => {
  cluster = await setupNatsCluster({ domains: ['nlp', 'vision'] });
  for (const [id, server, role, domain] of users) {
    await cluster.give(id, role, domain);
    const connection = await cluster.connectAs(id, { server });
    connections.set(id, connection);
    for (const subject of hears(id, role, domain))
      connection.subscribe(subject, { callback: (_, msg) => void heard.push([id, msg.string()]) });
  }
  await Promise.all([...connections.values()].map((connection) => connection.flush()));
});
afterAll(() => cluster.stop());

const say = (who: string, subject: string, message: string): void => connections.get(who)?.publish(subject, message);
const hearersOf = (message: string): string[] => heard.flatMap(([id, what]) => (what === message ? id : [])).sort();

test.each(rows)('what %s says on %s is heard by %j', async (who, subject, heardBy) => {
  // Servers learn of each other's subscribers, by and by.
  const early = `${who} ${subject}, early`;
  await vi.waitFor(() => {
    say(who, subject, early);
    expect(hearersOf(early)).toEqual(expect.arrayContaining(heardBy));
  });
  say(who, subject, `${who} ${subject}`);
  await expect.poll(() => hearersOf(`${who} ${subject}`)).toEqual([...heardBy].sort());
});

test('nobody heard anything else, or twice, or said what is not allowed', () => {
  expect(rows.map(([who, subject]) => [who, subject, hearersOf(`${who} ${subject}`)])).toEqual(
    rows.map(([who, subject, heardBy]) => [who, subject, [...heardBy].sort()]),
  );
  expect(cluster.violations).toEqual([]);
});
