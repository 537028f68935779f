/** The catalogue: every subject has one message, every message an example that is read as it. */
import { describe, expect, it } from 'vitest';
import { catalogue, messageByName, messageBySubject, patternsBy } from '#shared/messages/catalogue.ts';
import { output } from '#shared/messages/message.ts';
import { readMessage } from '#shared/messages/read.ts';
import { failure } from '#shared/messages/supervision.ts';
import { pipelineStage, workflowCancel } from '#shared/messages/workflow.ts';
import { matchesFilter, parseSubject, subjects, toFilter } from '#shared/subjects.ts';
import { examples, recordOn } from '#test/support/message-examples.ts';

/** What the streams capture. */
const streams: Record<string, string[]> = {
  SUPERVISION_EVENTS: ['supervision.>', 'supervisor.>'],
  COORDINATION_MESSAGES: ['coordination.>'],
  COORDINATION: ['coord.>', 'pipeline.>', 'scatter.>', 'gather.>'],
  AGENT_LIFECYCLE: ['created', 'started', 'ready', 'stopped', 'error', 'snapshot', 'suspended', 'resumed', 'draining'].map(
    (event) => `agent.*.${event}`,
  ),
  WORK_QUEUE: ['work.>'],
  ALERTS: ['alerts.>', 'notifications.>'],
  CIRCUITS: ['open', 'closed', 'half-open'].map((state) => `circuit.*.${state}`),
  DEAD_LETTERS: ['dlq.>'],
};

const inOrder = (names: string[]) => names.toSorted();

describe('the catalogue', () => {
  it('has a message for every subject, under the same name', () => {
    const found = catalogue.map((message) => [message.name, message.subject]);
    expect(inOrder(found.map(String))).toEqual(inOrder(Object.entries(subjects).map(String)));
  });

  it.each(Object.entries(examples))('reads the example of %s', (name, [subject, body]) => {
    const message = messageByName(name);
    expect(readMessage(catalogue, recordOn(subject, body))).toMatchObject({
      ok: true,
      event: { message: name, subject, params: parseSubject(message?.subject, subject), sentAt: Date.parse('2026-01-01T12:00:00Z') },
    });
    expect(messageBySubject(subject)).toBe(message);
  });

  it('does not know what has no message', () => {
    expect([messageBySubject('agent.a.b.created'), messageBySubject('agent.a1.creatd'), messageByName('agentCreatd')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('lists what a stream carries', () => {
    const events = ['created', 'started', 'ready', 'stopped', 'error', 'snapshot', 'suspended', 'resumed', 'draining'];
    expect(patternsBy('AGENT_LIFECYCLE')).toEqual(events.map((event) => `agent.<agent_id>.${event}`));
  });

  it.each(catalogue.map((message) => [message.name, message] as const))('has %s on its stream, and on no other', (_, message) => {
    const capturing = Object.entries(streams).filter(([, filters]) =>
      filters.some((filter) => matchesFilter(filter, toFilter(message.subject))),
    );
    expect(capturing.map(([stream]) => stream)).toEqual(message.by in streams ? [message.by] : []);
  });
});

describe('a message to publish', () => {
  it('has the subject of its parameters', () => {
    const body = { type: 'failure' as const, agent_id: 'a1', failure_type: 'memory_leak' as const, severity: 'low' as const };
    expect(output(failure, { severity: 'low' }, body)).toEqual({ subject: 'supervision.failures.low', body });
  });

  it('keeps the bytes of an opaque body', () => {
    const bytes = { data: '3q2+7w==', encoding: 'base64' as const };
    const headers = { 'X-Trace-ID': ['t'] };
    const params = { workflow_id: 'w1', stage_number: '02', stage: 'parse' };
    expect(output(pipelineStage, params, bytes, headers)).toEqual({ subject: 'pipeline.w1.02.parse', raw: bytes, headers });
  });

  it('names the token that cannot be published', () => {
    expect(() => output(workflowCancel, { workflow_id: 'w.1' }, { workflow_id: 'w.1' })).toThrow(
      'workflow_id "w.1" of coord.<workflow_id>.cancel',
    );
  });
});
