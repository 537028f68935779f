/** What serverless.yml may say although it cannot work: each refused in a sentence that names function and event. */
import { describe, expect, it } from 'vitest';
import { parseManifest, readManifest } from '#infra/bridge/manifest/read-manifest.ts';
import { packageMistakes } from '#infra/serverless/checks.ts';
import { knownStreams, ownStreams } from '#infra/serverless/known-streams.ts';

const manifest = (events: string[], more = '') => {
  const list = events.map((event) => `      - nats: ${event}\n`).join('');
  return parseManifest(`provider: {}\nfunctions:\n  f:\n    handler: f.handler\n${more}    events:\n${list}`, 'serverless.yml');
};
const mistakes = (...events: string[]) => packageMistakes(manifest(events), ownStreams);

describe('packaging refuses', () => {
  it.each([
    [
      'an unknown stream',
      ['{ name: e, stream: ORDERS, subjects: [orders.>] }'],
      'functions.f, event e: there is no stream ORDERS: correct its name, or declare it under custom.nats.streams with its subjects',
    ],
    [
      'a subject outside its stream',
      ['{ name: e, stream: ALERTS, subjects: [alerts.*, alert.*] }'],
      'functions.f, event e: the stream ALERTS does not capture alert.*: it has alerts.>, notifications.>',
    ],
    [
      'a filter that is wider than its stream',
      ['{ name: e, stream: AGENT_LIFECYCLE, subjects: [agent.>] }'],
      'functions.f, event e: the stream AGENT_LIFECYCLE does not capture agent.>: it has agent.*.created, agent.*.started, agent.*.ready, agent.*.stopped, agent.*.error, agent.*.snapshot, agent.*.suspended, agent.*.resumed, agent.*.draining',
    ],
    ['what is no filter', ['{ name: e, core: [a.>.b] }'], 'functions.f, event e: a.>.b is no subject filter: > may only be its last token'],
    [
      "the bridge's own stream",
      ['{ name: e, stream: TIMERS, subjects: [timers.due.f.>] }'],
      "functions.f, event e: TIMERS is the bridge's own: an entity is woken by the wakeAt of its decision",
    ],
    [
      'overlapping consumers of a work queue',
      ['{ name: one, stream: WORK_QUEUE, subjects: [work.nlp.>] }', '{ name: two, stream: WORK_QUEUE, subjects: [work.*.high.*] }'],
      'functions.f, event two: f.one already takes work.nlp.> of the work queue WORK_QUEUE: a message of it has one consumer',
    ],
    [
      'requests that a stream captures',
      ['{ name: e, request: [supervision.status] }'],
      'functions.f, event e: the stream SUPERVISION_EVENTS captures requests on supervision.status, and its acknowledgement would be their first answer: use another subject',
    ],
    [
      'a group by a token that is not there',
      ['{ name: e, core: [agent.*.heartbeat], groupBy: $4 }'],
      'functions.f, event e: groupBy $4 is a token that agent.*.heartbeat does not have',
    ],
    [
      'a token among several that a subject does not have',
      ['{ name: e, core: [agents.hb.*.*], groupBy: $3-$4-$5 }'],
      'functions.f, event e: groupBy $5 is a token that agents.hb.*.* does not have',
    ],
    [
      'an age within which no invocation ends',
      ['{ name: e, core: [a.b], retry: { maxAge: 11000 } }'],
      "functions.f, event e: retry.maxAge 11000 ms gives a message up while its first invocation may still run: make it more than 11000 ms, or the function's timeout shorter",
    ],
    [
      'two events of one name',
      ['{ name: e, core: [a.b] }', '{ name: e, schedule: 60 }'],
      'functions.f: two nats events are named e: give each a name of its own',
    ],
    [
      'publishing what nobody takes',
      ['{ name: e, core: [a.b], publishes: [alert.high] }'],
      'functions.f, publishes: no stream captures alert.high and no message of the protocol goes there: correct it, or declare its stream',
    ],
    [
      'publishing anything',
      ['{ name: e, core: [a.b], publishes: [">"] }'],
      'functions.f, publishes: > lets the function command the NATS server: name the first token of what it publishes',
    ],
  ])('%s', (_, events, sentence) => {
    expect(mistakes(...events)).toEqual([sentence]);
  });

  it('a batch that no invocation can carry, however small its messages', () => {
    const long = 'S'.repeat(600);
    const streams = [...ownStreams, { name: long, subjects: ['s.>'], workQueue: false }];
    const found = packageMistakes(manifest([`{ name: e, stream: ${long}, subjects: [s.a], batchSize: 10000 }`]), streams);
    expect(found).toEqual([
      expect.stringMatching(
        /^functions.f, event e: batchSize 10000 is more than an invocation can carry, even of empty messages: \d{4} at most$/,
      ),
    ]);
  });

  it('all mistakes at once', () => {
    expect(mistakes('{ name: one, stream: ORDERS, subjects: [a] }', '{ name: two, core: [a.>.b], publishes: [nowhere] }')).toHaveLength(3);
  });
});

describe('packaging accepts', () => {
  it('this project', async () => {
    expect(packageMistakes(await readManifest('serverless.yml'), ownStreams)).toEqual([]);
  });

  it('streams of others, once they are declared', () => {
    const known = knownStreams({ streams: { ORDERS: { subjects: ['orders.>'] } } });
    const event = '{ name: e, stream: ORDERS, subjects: [orders.eu.*], publishes: [orders.shipped] }';
    expect(packageMistakes(manifest([event]), known)).toEqual([]);
  });

  it('consumers beside each other on a work queue', () => {
    expect(
      mistakes('{ name: one, stream: WORK_QUEUE, subjects: [work.nlp.>] }', '{ name: two, stream: WORK_QUEUE, subjects: [work.ocr.>] }'),
    ).toEqual([]);
  });
});
