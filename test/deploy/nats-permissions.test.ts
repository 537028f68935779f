/** What each user of the cluster may say and hear: all that is not listed here is refused, subject by subject. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Role } from '#infra/nats/key-folder.ts';
import { filterOf } from '#infra/nats/permissions.ts';
import { subjects } from '#shared/subjects.ts';
import { type NatsCluster, setupNatsCluster } from '#test/support/nats-cluster.ts';

const mine = { agent_id: 'a1', supervisor_id: 'a1', requester: 'a1', to_agent: 'a1', domain: 'nlp', name: 'a1-role' };
const anothers = { agent_id: 'b1', supervisor_id: 'b1', requester: 'b1', to_agent: 'b1', domain: 'vision', name: 'b1-role' };

const sample = (pattern: string, known: Record<string, string>): string =>
  filterOf(pattern, known).replaceAll('*', 'x').replace('>', 'x.y');

/** A worker of the queues of work: asks for the next message, and says that it is done. */
const takes = (domain: string): string[] =>
  ['critical', 'high', 'normal', 'low'].flatMap((priority) => [
    `$JS.API.CONSUMER.MSG.NEXT.WORK_QUEUE.work-${domain}-${priority}`,
    `$JS.ACK.WORK_QUEUE.work-${domain}-${priority}.1.1.1.1.0`,
  ]);

const makesQueues = ['$JS.API.CONSUMER.LIST.WORK_QUEUE', '$JS.API.CONSUMER.CREATE.WORK_QUEUE.work-nlp-low.work.nlp.low.>'];

/** Every subject of the product, as the user's own and as another's, and what is no agent's business at all. */
const all = [
  ...new Set([
    ...Object.values(subjects).flatMap((pattern) => [sample(pattern, mine), sample(pattern, anothers)]),
    ...['_INBOX.a1.x', '_INBOX.b1.x', '_INBOX.bridge.x', '_INBOX.x', '_R_.x.y'],
    ...[
      '$JS.API.INFO',
      '$JS.API.STREAM.CREATE.X',
      '$JS.API.STREAM.DELETE.ALERTS',
      '$JS.API.STREAM.PURGE.ALERTS',
      '$JS.API.STREAM.UPDATE.ALERTS',
    ],
    ...[
      '$JS.API.STREAM.INFO.ALERTS',
      '$JS.API.STREAM.MSG.GET.ALERTS',
      '$JS.API.STREAM.MSG.DELETE.ALERTS',
      '$JS.API.STREAM.LIST',
      '$JS.API.STREAM.NAMES',
    ],
    ...['$JS.API.CONSUMER.CREATE.ALERTS', '$JS.API.CONSUMER.CREATE.WORK_QUEUE.x', '$JS.API.CONSUMER.DELETE.ALERTS.x'],
    ...[
      '$JS.API.CONSUMER.MSG.NEXT.ALERTS.x',
      '$JS.API.CONSUMER.MSG.NEXT.WORK_QUEUE.x',
      '$JS.ACK.ALERTS.x.1.1.1.1.0',
      '$JS.ACK.WORK_QUEUE.x.1.1.1.1.0',
    ],
    ...['nlp', 'vision', 'a-nlp'].flatMap((domain) => takes(domain)),
    ...makesQueues,
    ...['PURGE', 'MSG.GET', 'MSG.DELETE'].map((verb) => `$JS.API.STREAM.${verb}.WORK_QUEUE`),
    ...['$JS.API.STREAM.INFO.KV_AGENT_STATE', '$JS.API.DIRECT.GET.KV_AGENT_STATE.$KV.AGENT_STATE.agent.b1', '$KV.AGENT_STATE.agent.a1'],
    ...['a1', 'b1'].map((id) => `$JS.API.DIRECT.GET.SUPERVISION_EVENTS.supervisor.${id}.cmd.restart`),
    ...['$KV.BRIDGE_LEASES.x', '$KV.BRIDGE_STATE.x', 'timers.set.f.x', 'timers.due.f.x', 'timers.due.failure-handler.agent.a1'],
    ...[
      'dlq.work.nlp.x.x',
      'dlq.work.vision.x.x',
      '$SRV.PING',
      '$SYS.REQ.CLAIMS.UPDATE',
      '$SYS.REQ.SERVER.PING',
      '$SYS.ACCOUNT.x.CONNECT',
      'anything',
    ],
  ]),
].sort();
const wildcards = [
  '>',
  '*',
  'agent.>',
  'agent.*.ready',
  'agent.*.cmd.*',
  'agents.>',
  'supervision.>',
  'coordination.>',
  'coordination.tasks.assignment.*',
];
const heard = [
  ...all,
  ...wildcards,
  '_INBOX.>',
  '$JS.>',
  '$SYS.>',
  '$SRV.>',
  'control.>',
  'dlq.>',
  'work.>',
  'work.nlp.>',
  'work.vision.>',
];

const agentSays = [
  ...takes('nlp'),
  ...['created', 'started', 'ready', 'stopped', 'error', 'heartbeat', 'snapshot', 'resp.x'].map((verb) => `agent.a1.${verb}`),
  ...['agents.hb.x.x.x', 'health.answer.a1'],
  ...['agents.discovery.find', 'agents.discovery.resolve', 'agents.nlp.a1-role.x', 'agents.vision.b1-role.x', 'agents.registry.available'],
  ...['supervision.health.a1', 'supervision.failures.x', 'alerts.x', 'metrics.agent.a1.x', 'route.x.y'],
  ...['coordination.tasks.status.x', 'coordination.resources.x', 'coordination.resources.request.x', 'coordination.sync.barrier.x'],
  'control.resource.check',
  ...['coordination.consensus.x', 'coordination.consensus.x.round.x', 'coordination.election.nlp'],
  ...['election.nlp.vote', 'election.nlp.leader', 'election.nlp.heartbeat', 'control.election.show', 'control.election.list'],
  ...[
    'work.nlp.x.x',
    'dlq.work.nlp.x.x',
    'gather.x.result',
    'pipeline.x.x.x',
    'pipeline.x.complete',
    'coord.x.ready',
    'coord.x.complete',
    'coord.x.error',
  ],
  ...['circuit.x.report', 'circuit.x.open', 'circuit.x.closed', 'circuit.x.half-open'],
  ...['orchestrator.broadcast.x', 'orchestrator.agent.a1.x', 'orchestrator.agent.b1.x', 'orchestrator.team.x.x', 'orchestrator.queue.x'],
];
const agentHears = [
  ...['execute', 'pause', 'resume', 'shutdown', 'config', 'status'].map((verb) => `agent.a1.cmd.${verb}`),
  ...['agents.nlp.a1-role.x', 'coordination.tasks.assignment.a1', 'coordination.resources.granted.a1', 'coordination.sync.released.x'],
  ...['coordination.consensus.x', 'coordination.consensus.x.round.x', 'coordination.consensus.x.result', 'coordination.election.nlp'],
  ...['election.nlp.leader', 'election.nlp.heartbeat', 'election.nlp.vote.resp.a1'],
  ...['scatter.x.task', 'pipeline.x.x.x', 'coord.x.cancel', 'work.nlp.x.x', 'health.check.a1', 'health.check.all'],
  ...['broadcast.global.x', 'broadcast.emergency.x', 'broadcast.domain.nlp.x', 'circuit.x.open', 'circuit.x.closed', 'circuit.x.half-open'],
  ...[
    'orchestrator.broadcast.x',
    'orchestrator.agent.a1.x',
    'orchestrator.team.x.x',
    'orchestrator.queue.x',
    'agent.command',
    'system.control',
  ],
  ...['circuit.x.report', 'circuit.x.*', 'agent.a1.cmd.*', '_INBOX.a1.x', 'work.nlp.>'],
];
const commandsSays = ['control.command.send', 'control.command.show', 'control.health.check', 'control.election.resign'];
const coordinatorSays = [
  ...agentSays,
  ...commandsSays,
  ...['execute', 'pause', 'resume', 'shutdown', 'config', 'status'].flatMap((verb) => [`agent.a1.cmd.${verb}`, `agent.b1.cmd.${verb}`]),
  ...[
    'coordination.tasks.x',
    'scatter.x.task',
    'gather.x.complete',
    'coord.x.cancel',
    'work.nlp.x.x',
    'work.vision.x.x',
    'broadcast.domain.nlp.x',
  ],
  ...['control.gather.page', 'control.gather.show', 'control.gather.cancel', 'control.tasks.show', 'control.tasks.cancel'],
  ...['control.resource.show', 'control.resource.list', 'control.barrier.show', 'control.barrier.list'],
  ...['control.routing.list', 'control.routing.explain'],
  ...['start', 'show', 'list', 'cancel'].flatMap((verb) => [`control.workflow.${verb}`, `control.saga.${verb}`]),
  ...['show', 'page', 'list', 'cancel'].map((verb) => `control.group.${verb}`),
  ...['$JS.API.STREAM.INFO.KV_AGENT_STATE', '$JS.API.DIRECT.GET.KV_AGENT_STATE.$KV.AGENT_STATE.agent.b1'],
];
const coordinatorHears = [
  ...agentHears,
  ...['agent.a1.resp.x', 'agent.b1.resp.x', 'coordination.tasks.done.x', 'gather.x.result', 'gather.x.complete', 'pipeline.x.complete'],
  ...['coord.x.ready', 'coord.x.complete', 'coord.x.error', 'coord.>'],
];
const supervisorSays = [
  ...agentSays,
  ...commandsSays,
  ...['execute', 'pause', 'resume', 'shutdown', 'config', 'status'].flatMap((verb) => [`agent.a1.cmd.${verb}`, `agent.b1.cmd.${verb}`]),
  ...['created', 'started', 'ready', 'stopped', 'error', 'heartbeat'].map((verb) => `agent.b1.${verb}`),
  ...['health.check.a1', 'health.check.b1', 'health.check.all', 'supervision.events', 'supervision.escalation.x'],
  ...['supervisor.a1.events', '$JS.API.DIRECT.GET.SUPERVISION_EVENTS.supervisor.a1.cmd.restart'],
  ...['broadcast.domain.nlp.x', 'control.circuit.list'],
  ...['control.escalation.list', 'control.escalation.ack', 'control.escalation.resolve'],
  ...['define', 'remove', 'add_child', 'remove_child', 'show'].map((verb) => `control.supervisor.${verb}`),
  ...['control.recovery.list', 'control.health.show', 'control.patterns.list', 'control.metrics.query', 'control.orchestrator.list'],
  ...['$JS.API.STREAM.INFO.KV_AGENT_STATE', '$JS.API.DIRECT.GET.KV_AGENT_STATE.$KV.AGENT_STATE.agent.b1'],
];
const supervisorHears = [
  ...agentHears,
  ...heard.filter((subject) => /^agent\.[^.]+\.[^.>]+$/.test(subject)),
  ...['supervision.health.a1', 'supervision.health.b1', 'supervision.recovery.a1', 'supervision.recovery.b1', 'supervision.failures.x'],
  ...['agent.a1.resp.x', 'agent.b1.resp.x', 'supervisor.a1.events', 'supervisor.a1.cmd.restart', 'agents.registry.available'],
  ...['agent.a1.cmd.shutdown', 'agent.b1.cmd.shutdown'],
];
const operatorSays = [
  ...['$JS.API.CONSUMER.LIST.WORK_QUEUE', '$JS.API.STREAM.MSG.GET.WORK_QUEUE'],
  ...all.filter((subject) => subject.startsWith('control.')),
  ...['execute', 'pause', 'resume', 'shutdown', 'config', 'status'].flatMap((verb) => [`agent.a1.cmd.${verb}`, `agent.b1.cmd.${verb}`]),
  ...['agents.nlp.a1-role.x', 'agents.vision.b1-role.x', 'agents.discovery.find', 'agents.discovery.resolve', 'coordination.tasks.x'],
  ...['health.check.a1', 'health.check.b1', 'health.check.all'],
  ...['broadcast.global.x', 'broadcast.emergency.x', 'broadcast.domain.nlp.x', 'broadcast.domain.vision.x', '$SRV.PING'],
  ...[
    '$JS.API.INFO',
    '$JS.API.STREAM.INFO.ALERTS',
    '$JS.API.STREAM.INFO.KV_AGENT_STATE',
    '$JS.API.STREAM.LIST',
    '$JS.API.STREAM.NAMES',
    '$JS.API.STREAM.MSG.GET.ALERTS',
  ],
  '$JS.API.DIRECT.GET.KV_AGENT_STATE.$KV.AGENT_STATE.agent.b1',
  ...['a1', 'b1'].map((id) => `$JS.API.DIRECT.GET.SUPERVISION_EVENTS.supervisor.${id}.cmd.restart`),
];
const internal = /^(_|\$KV|\$SRV|\$SYS|\$JS\.(API|ACK|>)|timers|anything|>|\*$)/;
const operatorHears = heard.filter((subject) => !internal.test(subject) || subject === '_INBOX.a1.x');
/** What its functions may publish, which is whatever a stream of the product carries, and what it needs of the streams. */
const stored = /^(supervision|supervisor|coordination|coord|pipeline|scatter|gather|work|alerts|notifications|dlq|timers\.due)\./;
const bridgeSays = [
  ...makesQueues,
  ...['$JS.API.STREAM.MSG.GET.WORK_QUEUE', '$JS.API.STREAM.MSG.DELETE.WORK_QUEUE'],
  ...all.filter((subject) => stored.test(subject)),
  ...['a1', 'b1'].flatMap((id) => ['created', 'started', 'ready', 'stopped', 'error', 'snapshot'].map((verb) => `agent.${id}.${verb}`)),
  ...['a1', 'b1'].flatMap((id) => ['suspended', 'resumed', 'draining'].map((verb) => `agent.${id}.${verb}`)),
  ...['execute', 'pause', 'resume', 'config', 'status'].flatMap((verb) => [`agent.a1.cmd.${verb}`, `agent.b1.cmd.${verb}`]),
  ...['broadcast.global.x', 'broadcast.emergency.x', 'broadcast.domain.nlp.x', 'broadcast.domain.vision.x'],
  ...['circuit.x.report', 'circuit.x.open', 'circuit.x.closed', 'circuit.x.half-open'],
  ...[
    '_INBOX.a1.x',
    '_INBOX.b1.x',
    '_INBOX.bridge.x',
    '_INBOX.x',
    '_R_.x.y',
    '$KV.AGENT_STATE.agent.a1',
    '$KV.BRIDGE_LEASES.x',
    '$KV.BRIDGE_STATE.x',
  ],
  ...[
    '$JS.API.INFO',
    '$JS.API.STREAM.LIST',
    '$JS.API.STREAM.NAMES',
    '$JS.API.STREAM.INFO.ALERTS',
    '$JS.API.STREAM.MSG.GET.ALERTS',
    '$JS.ACK.ALERTS.x.1.1.1.1.0',
  ],
  ...['$JS.API.CONSUMER.CREATE.ALERTS', '$JS.API.CONSUMER.DELETE.ALERTS.x', '$JS.API.CONSUMER.MSG.NEXT.ALERTS.x'],
  ...['a1', 'b1'].flatMap((id) => [`agent.${id}.cmd.shutdown`, `health.check.${id}`, `orchestrator.agent.${id}.x`]),
  'health.check.all',
  // A saga takes back the tasks of its steps, and so does a task for many those of its parts.
  'control.tasks.cancel',
  ...['nlp', 'vision'].flatMap((domain) => [
    `election.${domain}.leader`,
    `election.${domain}.vote.resp.a1`,
    `election.${domain}.vote.resp.b1`,
  ]),
  ...['a1', 'b1'].map((id) => `$JS.API.DIRECT.GET.SUPERVISION_EVENTS.supervisor.${id}.cmd.restart`),
];
const bridgeHears = [
  ...['nlp', 'vision'].flatMap((domain) => [`election.${domain}.vote`, `election.${domain}.heartbeat`]),
  ...['health.check.all', 'agent.command', 'system.control', 'command.answer.x.x.a1', 'command.answer.x.x.b1'],
  ...['agents.nlp.a1-role.x', 'agents.vision.b1-role.x', 'route.x.y'],
  ...heard.filter((subject) => /^(control|_INBOX\.bridge|\$SRV|agents\.discovery)\./.test(subject)),
  ...['agent.a1.heartbeat', 'agent.b1.heartbeat', 'agents.registry.available', 'circuit.x.report', '$KV.BRIDGE_LEASES.x'],
  ...['agents.hb.x.x.x', 'health.answer.a1', 'health.answer.b1', 'metrics.agent.a1.x', 'metrics.agent.b1.x', 'metrics.system.x.x'],
];
const provisionerSays = [
  ...makesQueues,
  ...[
    '$JS.API.INFO',
    '$JS.API.STREAM.LIST',
    '$JS.API.STREAM.NAMES',
    '$JS.API.STREAM.INFO.ALERTS',
    '$JS.API.STREAM.UPDATE.ALERTS',
    '$JS.API.STREAM.DELETE.ALERTS',
  ],
  '$JS.API.STREAM.INFO.KV_AGENT_STATE',
];

/** Refused to everybody, after all others. */
const LAST = '$SYS.LAST';

type Row = { title: string; user: string; role: Role; domain?: string; says: string[]; hears: string[] };
const rows: Row[] = [
  { title: 'an agent', user: 'a1', role: 'agent', domain: 'nlp', says: agentSays, hears: agentHears },
  { title: 'a coordinator', user: 'a1', role: 'coordinator', domain: 'nlp', says: coordinatorSays, hears: coordinatorHears },
  { title: 'a supervisor', user: 'a1', role: 'supervisor', domain: 'nlp', says: supervisorSays, hears: supervisorHears },
  { title: 'an operator', user: 'a1', role: 'operator', says: operatorSays, hears: operatorHears },
  { title: 'the bridge', user: 'a1', role: 'bridge', says: bridgeSays, hears: bridgeHears },
  { title: 'the provisioner', user: 'a1', role: 'provisioner', says: provisionerSays, hears: ['_INBOX.a1.x'] },
];

let cluster: NatsCluster;
beforeAll(async () => {
  cluster = await setupNatsCluster({ domains: ['nlp', 'vision'] });
});
afterAll(() => cluster.stop());

describe.each(rows)('$title', ({ title, user, role, domain, says, hears }) => {
  const refused = { publish: new Set<string>(), subscription: new Set<string>() };
  beforeAll(async () => {
    const file = `${title.replaceAll(' ', '-')}.creds`;
    await cluster.give(user, role, domain, file);
    const connection = await cluster.connectAs(user, { creds: file });
    const before = cluster.violations.length;
    for (const subject of all) connection.publish(subject, 'x');
    for (const subject of heard) connection.subscribe(subject, { callback: () => undefined });
    connection.subscribe(LAST, { callback: () => undefined });
    await vi.waitFor(() => expect(cluster.violations.slice(before).at(-1)?.subject).toBe(LAST));
    for (const { verb, subject } of cluster.violations.slice(before)) refused[verb].add(subject);
  });

  it.each(all.filter((subject) => says.includes(subject)))('may publish to %s', (subject) => {
    expect(refused.publish).not.toContain(subject);
  });
  it.each(all.filter((subject) => !says.includes(subject)))('may not publish to %s', (subject) => {
    expect(refused.publish).toContain(subject);
  });
  it.each(heard.filter((subject) => hears.includes(subject)))('may subscribe to %s', (subject) => {
    expect(refused.subscription).not.toContain(subject);
  });
  it.each(heard.filter((subject) => !hears.includes(subject)))('may not subscribe to %s', (subject) => {
    expect(refused.subscription).toContain(subject);
  });
});
