/** Agents in Python that know document 002 alone: its patterns of coordination, word for word its subjects, several at once. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { playScenario, pythonWithNats } from '#test/support/python.ts';
import { type Stack, setupStack } from '#test/support/stack.ts';

let stack: Stack;
let python: string;
beforeAll(async () => {
  // The candidates' pauses are a tenth of the document's.
  [stack, python] = await Promise.all([setupStack({ ELECTION_LEASE_MS: '3000', ELECTION_SKEW_MS: '100' }), pythonWithNats()]);
}, 120_000);
afterAll(() => stack.stop());

const play = (scenario: string) => playScenario(python, stack.url, scenario);

test.concurrent('each version of the workers of a domain is a queue group that gets all work; who crashes is replaced by its group', async () => {
  expect(await play('groups')).toEqual({ each_group: [20, 20], after_a_crash: [20, 20], heir: 20 });
});

test.concurrent('one of three candidates leads, for as long as it beats; when it is silent another one follows, with a higher term', async () => {
  expect(await play('candidates')).toEqual({
    leaders: [true],
    followed: true,
    elected: true,
    terms: [1, 2],
    tokens_grow: true,
    applied: [['election.data.vote.resp.data-001', true]],
  });
});

test.concurrent('stages are ready, in error, tried again, complete and cancelled, as their workers and a monitor hear it', async () => {
  expect(await play('stages')).toEqual({
    tries: ['0', '1'],
    complete: ['speech transcribed'],
    progress: { complete: 1, known: 1 },
    cancelled: { complete: 0, known: 1 },
    dropped: ['coord.doc701.cancel'],
    monitored: [true, true, true, true],
  });
});

test.concurrent('a command and a health check to a domain are answered by each of its agents', async () => {
  const all = (word: string) => Array<string>(3).fill(word);
  expect(await play('fanout')).toEqual({
    pause: { answers: all('ok'), missing: [], kept: all('paused') },
    resume: { answers: all('ok'), missing: [], kept: all('ready') },
    checked: ['data-001', 'data-002', 'data-003'].map((id) => [id, 'ready']),
  });
});

test.concurrent('broadcasts to all, to a domain and in an emergency are heard by whom they concern', async () => {
  const heard = (domain: string, model: string) => ({
    heard: [
      ['broadcast.global.config_update', { log: 'debug' }],
      [`broadcast.domain.${domain}.model_update`, model],
      ['broadcast.emergency.shutdown', { why: 'fire' }],
    ],
    ended: 'emergency',
  });
  expect(await play('broadcasts')).toEqual({
    'speech-001': heard('audio', 'whisper-4'),
    'speech-002': heard('audio', 'whisper-4'),
    'eyes-001': heard('vision', 'yolo-9'),
  });
});

test.concurrent('calls that agents report open one circuit for all of them, and good probes close it', async () => {
  expect(await play('reports')).toEqual({
    called_while_open: [false, false, false, false],
    probes: [true, true, true],
    said: ['open', 'half-open', 'closed'],
  });
});

test.concurrent('a scatter of raw bytes has its limits and its trace in headers, down to the answer', async () => {
  expect(await play('traced')).toEqual({
    results: [
      ['ECHO', 'trace-789abc'],
      ['ECHO', 'trace-789abc'],
    ],
    complete: [['complete', 2, 'trace-789abc']],
  });
});
