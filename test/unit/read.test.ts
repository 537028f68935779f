/** The tolerant reader: plain JSON, Rust's serde, CloudEvents, raw bytes; and for each bad input its sentence. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BatchRecord } from '#shared/contract.ts';
import { catalogue } from '#shared/messages/catalogue.ts';
import { readEnvelope, readMessage } from '#shared/messages/read.ts';
import { failure } from '#shared/messages/supervision.ts';
import { recordOn } from '#test/support/message-examples.ts';

const read = (subject: string, body: unknown, more: Partial<BatchRecord> = {}) => readMessage(catalogue, recordOn(subject, body, more));

/** The body as it was read, or the refusal. */
const bodyOf = (...record: Parameters<typeof read>) => {
  const reading = read(...record);
  return reading.ok ? reading.event.body : reading;
};

const crash = { agent_id: 'a1', failure_type: 'process_crash' };

describe('a plain JSON body', () => {
  it('is read with its subject, headers and time', () => {
    const record = recordOn('supervision.failures.high', crash, { headers: { 'X-Trace-ID': ['t1'] }, reply: '_INBOX.1' });
    expect(readMessage([failure], record)).toEqual({
      ok: true,
      event: {
        message: 'failure',
        subject: 'supervision.failures.high',
        params: { severity: 'high' },
        body: { ...crash, type: 'failure', severity: 'high' },
        headers: { 'X-Trace-ID': ['t1'] },
        sentAt: Date.parse('2026-01-01T12:00:00Z'),
        reply: '_INBOX.1',
      },
    });
  });

  it('keeps the fields that no schema names', () => {
    expect(bodyOf('agent.a1.ready', { team: 'blue', nested: { deep: [1] } })).toEqual({
      agent_id: 'a1',
      team: 'blue',
      nested: { deep: [1] },
    });
  });

  it('says of a folded record for how many it stands', () => {
    const folded = { count: 3, first: '2026-01-01T11:59:00Z', last: '2026-01-01T12:00:00Z' };
    expect(read('agent.a1.heartbeat', '', { folded })).toMatchObject({ event: { body: { agent_id: 'a1' }, folded } });
  });

  it.each([
    ['null for an absent field', { zone: null }, {}],
    ['a number in quotes', { max_concurrent_tasks: '4' }, { max_concurrent_tasks: 4 }],
  ])('may have %s', (_, sent, got) => {
    expect(bodyOf('agent.a1.created', sent)).toEqual({ agent_id: 'a1', ...got });
  });

  it.each([
    ['epoch seconds', 1767268800.5, '2026-01-01T12:00:00.500Z'],
    ['epoch milliseconds', 1767268800500, '2026-01-01T12:00:00.500Z'],
    ['no zone, as Python writes UTC', '2026-01-01T12:00:00.123456', '2026-01-01T12:00:00.123456Z'],
    ['another zone', '2026-01-01T14:00:00+02:00', '2026-01-01T14:00:00+02:00'],
    ["Rust's SystemTime", { secs_since_epoch: 1767268800, nanos_since_epoch: 500_000_000 }, '2026-01-01T12:00:00.500Z'],
  ])('may have a time with %s', (_, timestamp, iso) => {
    expect(bodyOf('agent.a1.heartbeat', { timestamp })).toEqual({ agent_id: 'a1', timestamp: iso });
  });

  it('may spell the value of an enum as its language does', () => {
    expect(bodyOf('supervision.failures.critical', { ...crash, failure_type: 'ProcessCrash', severity: 'CRITICAL' })).toEqual({
      ...crash,
      type: 'failure',
      severity: 'critical',
    });
  });

  it.each([
    ['Healthy', { state: 'healthy' }],
    [{ Degraded: { performance_impact: 0.2 } }, { state: 'degraded', performance_impact: 0.2 }],
    [
      { Unresponsive: { last_seen: { secs_since_epoch: 1767268800, nanos_since_epoch: 0 } } },
      { state: 'unresponsive', last_seen: '2026-01-01T12:00:00.000Z' },
    ],
    [
      { state: 'Degraded', note: 'slow' },
      { state: 'degraded', note: 'slow' },
    ],
  ])('may have the status %j', (status, state) => {
    expect(bodyOf('supervision.health.a1', { status })).toEqual({ type: 'health', agent_id: 'a1', status: state });
  });
});

const id = '7b1e4a52-3c1d-4b1e-9d55-0c4c2b8f7a10';
const at = { secs_since_epoch: 1767268800, nanos_since_epoch: 0 };
const iso = '2026-01-01T12:00:00.000Z';
const wait = { secs: 30, nanos: 0 };

/** Each variant of 000 as serde writes it, and as it is read. */
const serde: [variant: string, subject: string, sent: object, read: object][] = [
  [
    'Health',
    `supervision.health.${id}`,
    { agent_id: id, status: { Unhealthy: { symptoms: ['oom'] } }, metrics: { cpu_usage: 0.9, response_time_ms: 20 }, timestamp: at },
    {
      type: 'health',
      agent_id: id,
      status: { state: 'unhealthy', symptoms: ['oom'] },
      metrics: { cpu_usage: 0.9, response_time_ms: 20 },
      timestamp: iso,
    },
  ],
  [
    'Failure',
    'supervision.failures.critical',
    { agent_id: id, failure_type: 'NetworkPartition', severity: 'Critical', context: { since: at, after: wait }, detection_time: at },
    {
      type: 'failure',
      agent_id: id,
      failure_type: 'network_partition',
      severity: 'critical',
      context: { since: iso, after: wait },
      detection_time: iso,
    },
  ],
  [
    'Recovery',
    `supervision.recovery.${id}`,
    { agent_id: id, recovery_action: { RestartAgent: { delay: wait } }, initiator: id, recovery_plan: { steps: ['Stop'] } },
    {
      type: 'recovery',
      agent_id: id,
      recovery_action: 'restart_agent',
      recovery_action_details: { delay: wait },
      initiator: id,
      recovery_plan: { steps: ['Stop'] },
    },
  ],
  [
    'Escalation',
    'supervision.escalation.2',
    { original_failure: id, escalation_level: 'DomainSupervisor', supervisor_id: 's1', escalation_reason: 'again' },
    {
      type: 'escalation',
      original_failure: id,
      escalation_level: 2,
      escalation_level_name: 'domain_supervisor',
      supervisor_id: 's1',
      escalation_reason: 'again',
    },
  ],
  [
    'SupervisorLifecycle',
    'supervisor.s1.events',
    { supervisor_id: 's1', event_type: 'ChildRestarted', affected_agents: [id] },
    { type: 'supervisor_lifecycle', supervisor_id: 's1', event_type: 'child_restarted', affected_agents: [id] },
  ],
  [
    'TaskCoordination',
    'coordination.tasks.map_reduce',
    { task_id: id, coordination_type: 'MapReduce', participants: [id], requirements: { priority: 'High' } },
    { type: 'task_coordination', task_id: id, coordination_type: 'map_reduce', participants: [id], requirements: { priority: 'high' } },
  ],
  [
    'ResourceCoordination',
    'coordination.resources.request.gpu-1',
    { resource_id: 'gpu-1', coordination_type: 'Acquire', requester: id, resource_details: { until: at } },
    { type: 'resource_coordination', resource_id: 'gpu-1', coordination_type: 'acquire', requester: id, resource_details: { until: iso } },
  ],
  [
    'Consensus',
    `coordination.consensus.${id}.round.3`,
    { consensus_id: id, round: 3, message_type: 'Promise', sender: id, value: { theirs: at } },
    { type: 'consensus', consensus_id: id, round: 3, message_type: 'promise', sender: id, value: { theirs: at } },
  ],
  [
    'LeaderElection',
    'coordination.election.nlp',
    { election_id: id, message_type: 'RequestVote', candidate: id, term: 4 },
    { type: 'leader_election', election_id: id, message_type: 'request_vote', candidate: id, term: 4 },
  ],
  [
    'Synchronization',
    'coordination.sync.barrier.b1',
    { sync_id: id, barrier_id: 'b1', phase: 'Arriving', participant: id },
    { type: 'synchronization', sync_id: id, barrier_id: 'b1', phase: 'arriving', participant: id },
  ],
];

describe("Rust's serde form", () => {
  it.each(serde)('of %s is read', (variant, subject, sent, got) => {
    expect(bodyOf(subject, { [variant]: sent })).toEqual(got);
  });

  it.each(serde)('of %s is read with its tag inside', (variant, subject, sent, got) => {
    expect(bodyOf(subject, { type: variant, ...sent })).toEqual(got);
  });

  it('is seen through without a schema', () => {
    const [, subject, sent] = serde[1] as (typeof serde)[number];
    expect(readEnvelope(recordOn(subject, { Failure: sent })).body).toMatchObject({ type: 'failure', severity: 'critical', agent_id: id });
  });

  it.each([
    ['"Status"', { command: 'status' }],
    ['{"Spawn":{"agent_id":"a1"}}', { command: 'spawn', agent_id: 'a1' }],
    ['{"Input":"hello"}', { command: 'input', value: 'hello' }],
  ])('of phase 2 is read: %s', (sent, got) => {
    expect(bodyOf('agent.command', sent)).toEqual(got);
  });
});

const attributes = { specversion: '1.0', id: 'ev-1', source: '/agents/a1', type: 'failure' };
const told = { 'ce-specversion': ['1.0'], 'ce-id': ['ev-1'], 'ce-source': ['/agents/a1'], 'ce-type': ['failure'] };
const structured = { 'content-type': ['application/cloudevents+json'] };
const crashed = { ok: true, event: { body: { ...crash, type: 'failure', severity: 'high' }, headers: told } };

describe('a CloudEvent', () => {
  it('is read in binary mode', () => {
    expect(read('supervision.failures.high', crash, { headers: told })).toMatchObject(crashed);
  });

  it('is read in structured mode, its attributes as headers', () => {
    expect(read('supervision.failures.high', { ...attributes, data: crash }, { headers: structured })).toMatchObject(crashed);
  });

  it('is read in structured mode without a header, and with base64 data', () => {
    const data_base64 = Buffer.from(JSON.stringify(crash)).toString('base64');
    expect(read('supervision.failures.high', { ...attributes, data_base64 })).toMatchObject(crashed);
  });

  it('may carry text or bytes where the message takes them', () => {
    const text = { ...attributes, datacontenttype: 'text/plain', data: 'forty two' };
    expect(bodyOf('gather.r1.result', text)).toEqual({ request_id: 'r1', result: 'forty two' });
    const bytes = { ...attributes, data_base64: '/w==' };
    expect(bodyOf('gather.r1.result', bytes)).toEqual({ request_id: 'r1', result: { data_base64: '/w==' } });
  });

  it('may be without data where the body may be empty', () => {
    expect(bodyOf('agent.a1.stopped', attributes)).toEqual({ agent_id: 'a1' });
  });
});

describe('a raw body', () => {
  const from = { headers: { 'x-agent-id': ['w1'] } };

  it.each([
    ['text', 'positive', 'positive'],
    ['a JSON value', '[1,2]', [1, 2]],
    ['an object of its own', '{"label":"positive"}', { label: 'positive' }],
    ['a variant of somebody', '{"Failure":{"code":3}}', { Failure: { code: 3 } }],
    ['nothing', '', ''],
  ])('is a gather result: %s', (_, sent, result) => {
    expect(bodyOf('gather.r1.result', sent, from)).toEqual({ request_id: 'r1', agent_id: 'w1', result });
  });

  it('is a gather result of bytes, anonymous without a header', () => {
    expect(bodyOf('gather.r1.result', '/w==', { encoding: 'base64' })).toEqual({ request_id: 'r1', result: { data_base64: '/w==' } });
  });

  it('is a scatter payload, with its limits in the headers', () => {
    const headers = { 'X-Min-Responses': ['2'], 'X-Max-Responses': ['3'], 'X-Timeout-Ms': ['1000'] };
    const limits = { min_responses: 2, max_responses: 3, timeout_ms: 1000 };
    expect(bodyOf('scatter.r1.task', 'look here', { headers })).toEqual({ request_id: 'r1', payload: 'look here', ...limits });
    const payload = { text: 'look here', min_responses: 'few', timeout_ms: 7, request_id: 'another' };
    expect(bodyOf('scatter.r1.task', payload, { headers })).toEqual({ request_id: 'r1', payload, ...limits });
  });

  it('is a scatter payload whose sender gathers by itself, whatever its fields', () => {
    const payload = { request_id: 'another', timeout_ms: 'soon' };
    expect(bodyOf('scatter.r1.task', payload)).toEqual({ request_id: 'r1', payload });
  });

  it.each(['a1', '"a1"', '{"agent_id":"a1"}'])('is a vote: %s', (sent) => {
    expect(bodyOf('election.nlp.vote', sent)).toEqual({ agent_id: 'a1' });
  });

  it('is a vote even where the id looks like a number', () => {
    expect(bodyOf('election.nlp.leader', '007')).toEqual({ leader: '007' });
  });

  it.each([
    [`"${id}"`, { agent_id: id }],
    [`{"domain":"nlp","instance_id":"${id}"}`, { agent_id: id, instance_id: id, domain: 'nlp' }],
  ])('announces an agent: %s', (sent, got) => {
    expect(bodyOf('agents.registry.available', sent)).toEqual(got);
  });

  it('is the detail of a circuit', () => {
    expect(bodyOf('circuit.ocr.half-open', 'probing')).toEqual({ service: 'ocr', state: 'half_open', details: 'probing' });
  });

  it('is handed on as it came where it belongs to the agents', () => {
    const sent = '{"specversion":"1.0", "n": 12345678901234567890}';
    expect(bodyOf('pipeline.w1.01.extract', sent)).toEqual({ data: sent, encoding: 'utf8' });
    expect(bodyOf('dlq.a.b', '/w==', { encoding: 'base64' })).toEqual({ data: '/w==', encoding: 'base64' });
  });
});

const severities = 'must be one of low, medium, high, critical';

describe('a record that cannot be read', () => {
  it.each<[subject: string, body: unknown, code: string, message: string]>([
    ['supervision.failures.high', 'agent a1 died', 'not_json', 'body: is not JSON: send a JSON object, not "agent a1 died"'],
    ['supervision.failures.high', '', 'not_json', 'body: is empty: send a JSON object'],
    ['supervision.failures.high', [crash], 'invalid_body', `body: must be a JSON object, not ${JSON.stringify([crash]).slice(0, 60)}`],
    ['supervision.failures.extreme', crash, 'invalid_body', `severity: ${severities}, not "extreme"`],
    ['supervision.failures.high', { ...crash, severity: 'extreme' }, 'invalid_body', `severity: ${severities}, not "extreme"`],
    [
      'supervision.failures.high',
      { ...crash, severity: 'Low' },
      'invalid_body',
      'severity: is "low" in the body and "high" in the subject: make them the same',
    ],
    [
      'supervision.failures.high',
      { failure_type: 'memory_leak' },
      'invalid_body',
      'agent_id: must be one token of letters, digits, _ and - and is missing',
    ],
    [
      'supervision.failures.high',
      { ...crash, agent_id: 'a.b' },
      'invalid_body',
      'agent_id: must be one token of letters, digits, _ and -, not "a.b"',
    ],
    [
      'supervision.failures.high',
      { ...crash, detection_time: 'yesterday' },
      'invalid_body',
      'detection_time: must be an ISO 8601 time with its zone, such as 2026-01-31T12:00:00Z, not "yesterday"',
    ],
    ['supervision.escalation.5', {}, 'invalid_body', 'escalation_level: must be at most 4, not 5'],
    ['supervision.recovery.a1', { recovery_action: '' }, 'invalid_body', 'recovery_action: must not be empty, not ""'],
    [
      'supervision.health.a1',
      { status: {} },
      'invalid_body',
      'status.state: must be one of healthy, degraded, unhealthy, unresponsive and is missing',
    ],
    ['supervision.health.a1', { type: 'failure', status: 'Healthy' }, 'invalid_body', 'type: must be "health", not "failure"'],
    ['supervisor.s1.cmd.restart', { agent_ids: [] }, 'invalid_body', 'agent_ids: must have at least 1 elements, not []'],
    [
      'supervisor.s1.cmd.restart',
      { agent_ids: ['a1', 'a 2'] },
      'invalid_body',
      'agent_ids[1]: must be one token of letters, digits, _ and -, not "a 2"',
    ],
    ['agent.a1.created', { agent_id: 'a2' }, 'invalid_body', 'agent_id: is "a2" in the body and "a1" in the subject: make them the same'],
    ['agent.a1.created', { max_concurrent_tasks: 1.5 }, 'invalid_body', 'max_concurrent_tasks: must be a whole number, not 1.5'],
    ['scatter.r1.task', { min_responses: 3, max_responses: 2 }, 'invalid_body', 'max_responses: must be at least min_responses, not 2'],
    [
      'gather.r1.result',
      { agent_id: 'a.b', result: 1 },
      'invalid_body',
      'agent_id: must be one token of letters, digits, _ and -, not "a.b"',
    ],
    ['election.nlp.vote', 'two words', 'invalid_body', 'agent_id: must be one token of letters, digits, _ and -, not "two words"'],
  ])('%s %j: %s', (subject, body, code, message) => {
    expect(bodyOf(subject, body)).toEqual({ ok: false, code, message: expect.stringContaining(message) });
  });

  it('says which token of its subject is wrong', () => {
    const message = 'agent_id "a.b" in the subject of agent.<agent_id>.created is not one token: use letters, digits, _ and - only';
    expect(bodyOf('agent.a.b.created', {})).toEqual({ ok: false, code: 'bad_subject', message });
  });

  it('is not for these messages', () => {
    const message = 'agent.a1.ready is no subject of this protocol: check its spelling against docs/wire.md';
    expect(readMessage([failure], recordOn('agent.a1.ready', {}))).toEqual({ ok: false, code: 'unrouted', message });
  });

  it('is not text', () => {
    const message = 'body: is not UTF-8 text: send a JSON object';
    expect(bodyOf('supervision.failures.low', '/w==', { encoding: 'base64' })).toEqual({ ok: false, code: 'not_json', message });
  });

  it('is never a reason to throw', () => {
    const hostile = fc.oneof(
      fc.string(),
      fc.json(),
      fc.anything().map((value) => JSON.stringify({ Failure: value, status: value }) ?? ''),
    );
    const subject = fc.constantFrom(
      'supervision.health.a1',
      'supervision.failures.low',
      'gather.r.result',
      'agent.command',
      'scatter.r.task',
      'x',
    );
    fc.assert(
      fc.property(subject, hostile, (at, data) => {
        expect(read(at, data)).toHaveProperty('ok');
      }),
    );
    const deep = `{"Failure":{"context":${'['.repeat(50_000)}${']'.repeat(50_000)}}}`;
    expect(read('supervision.failures.low', deep)).toMatchObject({ ok: false, code: 'invalid_body' });
  });
});
