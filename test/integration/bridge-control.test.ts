/** The operator's control of the bridge: what is asked on `control.bridge.*`, what is answered, and what it leaves for the owners. */
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type BindingState, type BindingStates, bindingStates } from '#infra/bridge/control/binding-state.ts';
import { answerControl } from '#infra/bridge/control/control.ts';
import { parseManifest } from '#infra/bridge/manifest/read-manifest.ts';
import { ensureDurable } from '#infra/bridge/sources/durable-consumer.ts';
import { streams } from '#infra/nats/streams.ts';
import { startNats, type TestServer } from './bridge-nats.ts';

const manifest = parseManifest(
  `
provider: { name: aws }
functions:
  counter:
    handler: functions/counter/handler.handler
    events:
      - nats: { name: counts, stream: COUNTS, subjects: [counts.*] }
      - nats: { name: beats, core: [beats.*] }
      - nats: { name: asks, request: [asks.*] }
  worker:
    handler: functions/worker/handler.handler
    events:
      - nats: { name: jobs, stream: JOBS, subjects: [jobs.*] }
`,
  '/serverless.yml',
);
const BUCKET = 'KV_BRIDGE_STATE';
const bucket = streams({ replicas: 1, bytes: 1e9 }).find(({ name }) => name === BUCKET);
const durable = { stream: 'COUNTS', durable: 'counter_counts', subjects: ['counts.*'], ackWait: 30_000 };

let server: TestServer;
let states: BindingStates;
let sentences: string[] = [];

beforeAll(async () => {
  server = await startNats();
  await server.manager.streams.add({ name: 'JOBS', subjects: ['jobs.*'], retention: 'workqueue' });
  await server.manager.streams.add({ name: 'TIMERS', subjects: ['timers.>'], retention: 'workqueue' });
});
afterAll(() => server.stop());

/** Five messages in COUNTS, four of them the binding's: two are settled and one is in somebody's hands. No operator did anything yet. */
beforeEach(async () => {
  const { manager, nc } = server;
  await manager.streams.delete('COUNTS').catch(() => {});
  await manager.streams.add(bucket as NonNullable<typeof bucket>);
  await manager.streams.purge(BUCKET);
  // The server clears a deleted stream's files a moment later, and one made anew in that moment would find them.
  await manager.streams.add({ name: 'COUNTS', subjects: ['counts.*', 'other'], storage: 'memory' });
  for (const subject of ['counts.a', 'counts.b', 'other', 'counts.a', 'counts.b']) await nc.request(subject, '{}');
  await ensureDurable(manager, durable);
  for (let n = 0; n < 3; n++) {
    const message = await nc.request('$JS.API.CONSUMER.MSG.NEXT.COUNTS.counter_counts', '1', { noMux: true, timeout: 1000 });
    if (n < 2) await nc.request(message.reply as string, '+ACK');
  }
  sentences = [];
  states = await openStates(nc);
  const owners = () => new Map([['counter', 'bridge-1']]);
  const stop = answerControl({ nc, manager, manifest, states, owners, log: (sentence) => void sentences.push(sentence) });
  await nc.flush();
  return stop;
});

const openStates = async (nc: NatsConnection) => {
  const opened = await bindingStates({ nc, log: (sentence) => void sentences.push(sentence) });
  onTestFinished(() => opened.close());
  return opened;
};

const ask = async (verb: string, body: object | string = '') => {
  const answer = await server.nc.request(`control.bridge.${verb}`, typeof body === 'string' ? body : JSON.stringify(body));
  return answer.json<{ bindings: { binding: string }[]; error?: { code: string; message: string } }>();
};
const refusal = async (verb: string, body: object) => (await ask(verb, body)).error;

describe('control.bridge.list and show', () => {
  it('say what each binding is, who owns it and how far it is', async () => {
    const { bindings } = await ask('list');
    expect(bindings).toEqual([
      expect.objectContaining({ binding: 'counter.alarms', source: { stream: 'TIMERS', subjects: ['timers.due.counter.>'] } }),
      {
        ...{ binding: 'counter.counts', function: 'counter', source: { stream: 'COUNTS', subjects: ['counts.*'] } },
        ...{ paused: false, epoch: 1, owner: 'bridge-1', pending: 1, unsettled: 1, floor: 2 },
      },
      { binding: 'counter.beats', function: 'counter', source: { core: ['beats.*'] }, paused: false, epoch: 1, owner: 'bridge-1' },
      { binding: 'counter.asks', function: 'counter', source: { request: ['asks.*'] }, paused: false, epoch: 1, owner: 'bridge-1' },
      expect.objectContaining({ binding: 'worker.alarms' }),
      {
        ...{ binding: 'worker.jobs', function: 'worker', source: { stream: 'JOBS', subjects: ['jobs.*'] }, paused: false, epoch: 1 },
        problem: 'its consumer does not exist yet: a bridge that owns it makes it',
      },
    ]);
  });

  it('show one binding, or all of a function', async () => {
    const names = async (binding: string) => (await ask('show', { binding })).bindings.map((one) => one.binding);
    expect(await names('counter.counts')).toEqual(['counter.counts']);
    expect(await names('worker')).toEqual(['worker.alarms', 'worker.jobs']);
  });
});

describe('control.bridge.pause and resume', () => {
  it('are there for every bridge, at once or within a second, and for one that starts later', async () => {
    const other = await openStates(server.nc);
    const seen: [string, BindingState][] = [];
    other.watch((binding, state) => void seen.push([binding, state]));
    await ask('pause', { binding: 'counter.counts', by: 'kim' });
    expect(states.get('counter.counts')).toEqual({ epoch: 1, paused: true });
    await vi.waitFor(() => expect(seen).toEqual([['counter.counts', { epoch: 1, paused: true }]]), { timeout: 3000 });
    expect((await openStates(server.nc)).get('counter.counts')).toEqual({ epoch: 1, paused: true });
    await ask('resume', { binding: 'counter.counts' });
    await vi.waitFor(() => expect(other.get('counter.counts')).toEqual({ epoch: 1 }), { timeout: 3000 });
    expect(sentences).toEqual(['counter.counts: paused by kim', 'counter.counts: resumed by an operator']);
  });

  it('of a function are of all its bindings, and say what that loses', async () => {
    expect(await ask('pause', { binding: 'counter' })).toEqual({
      bindings: [
        { binding: 'counter.alarms', paused: true },
        { binding: 'counter.counts', paused: true },
        { binding: 'counter.beats', paused: true, note: 'its messages are lost while it is paused' },
        { binding: 'counter.asks', paused: true, note: 'its requests are not answered by this binding while it is paused' },
      ],
    });
  });
});

describe('control.bridge.reset', () => {
  const { stream: _, ...any } = durable;
  it.each([
    ['the oldest message', 'all', 1, 4],
    ['what is new', 'new', 6, 0],
    ['a sequence', { sequence: 3 }, 3, 2],
    ['a time', { time: '2020-01-01T00:00:00+02:00' }, 1, 4],
    ['a time to come', { time: '2100-01-01T00:00:00Z' }, 6, 0],
  ])('to %s: the next epoch begins there, and delivers what is said', async (_, to, from_sequence, messages) => {
    const answer = { binding: 'counter.counts', epoch: 2, from_sequence, messages };
    expect(await ask('reset', { binding: 'counter.counts', to })).toEqual(answer);
    const { epoch, start = 'all' } = states.get('counter.counts');
    await ensureDurable(server.manager, { ...any, stream: 'COUNTS', epoch, start });
    const info = await server.manager.consumers.info('COUNTS', 'counter_counts');
    expect([info.num_pending, info.config.metadata?.epoch]).toEqual([messages, '2']);
  });

  it('counts on from the epoch of the consumer where the bucket forgot it, and leaves a pause as it is', async () => {
    await ensureDurable(server.manager, { ...durable, epoch: 7 });
    await ask('pause', { binding: 'counter.counts' });
    expect(await ask('reset', { binding: 'counter.counts', to: 'all' })).toMatchObject({ epoch: 8 });
    expect(states.get('counter.counts')).toEqual({ paused: true, epoch: 8, start: 'all' });
  });
});

describe('control.bridge.replay', () => {
  it('goes back to a sequence that was settled', async () => {
    expect(await ask('replay', { binding: 'counter.counts', from: { sequence: 2 }, by: 'kim' })).toEqual({
      ...{ binding: 'counter.counts', epoch: 2, from_sequence: 2, messages: 3 },
    });
    expect(sentences).toEqual(['counter.counts: begins again at sequence 2 in epoch 2, by kim; 3 messages will be delivered']);
  });

  it('does not go forward', async () => {
    expect(await refusal('replay', { binding: 'counter.counts', from: { sequence: 4 } })).toEqual({
      code: 'invalid_from',
      message: 'from: is sequence 4, but counter.counts has settled no further than 2: name one up to that',
    });
    expect(states.get('counter.counts')).toEqual({ epoch: 1 });
  });
});

describe('what cannot be is refused, with a code and a sentence', () => {
  it.each<[string, string, object, string, string | RegExp]>([
    ['an unknown binding', 'pause', { binding: 'countr.counts' }, 'not_found', /no binding and no function countr.counts/],
    ['no binding', 'show', {}, 'invalid_body', /^binding: /],
    ['a position that is none', 'reset', { binding: 'counter.counts', to: 'begin' }, 'invalid_body', /^to: must be "all", "new", /],
    ['a position beyond the end', 'reset', { binding: 'counter.counts', to: { sequence: 9 } }, 'invalid_position', /COUNTS ends with 5$/],
    [
      'a function that has several',
      'reset',
      { binding: 'counter', to: 'all' },
      'invalid_binding',
      /say which of counter.alarms, counter.counts/,
    ],
    ['core messages', 'reset', { binding: 'counter.beats', to: 'all' }, 'invalid_binding', /no stream keeps its messages/],
    ['requests', 'replay', { binding: 'counter.asks', from: { sequence: 1 } }, 'invalid_binding', /no stream keeps its messages/],
    ['alarms', 'reset', { binding: 'counter.alarms', to: 'all' }, 'invalid_binding', /an alarm that went off is gone/],
    ['a work queue', 'reset', { binding: 'worker.jobs', to: 'all' }, 'invalid_binding', /JOBS keeps nothing that is settled/],
  ])('%s', async (_, verb, body, code, message) => {
    expect(await refusal(verb, body)).toEqual({ code, message: expect.stringMatching(message) });
    expect(sentences).toEqual([]);
  });

  it('with the headers of a micro service', async () => {
    const { headers } = await server.nc.request('control.bridge.show', '{"binding":"nobody"}');
    expect([headers?.get('Nats-Service-Error-Code'), headers?.get('Nats-Service-Error')]).toEqual([
      '404',
      expect.stringContaining('nobody'),
    ]);
  });
});

describe('the state of bindings', () => {
  it('takes every change of two bridges at the same time', async () => {
    const other = await openStates(server.nc);
    const raise = (state: BindingState) => ({ ...state, epoch: state.epoch + 1 });
    const changes = [states, other, states, other, states].map((of) => of.change('counter.counts', raise));
    expect((await Promise.all(changes)).map(({ epoch }) => epoch).toSorted()).toEqual([2, 3, 4, 5, 6]);
  });

  it('survives a killed server', async () => {
    await states.change('counter.counts', (state) => ({ ...state, epoch: 4 }));
    await server.crash();
    const connection = await connect({ port: Number(server.nc.getServer().split(':')[1]), user: 'test', pass: 'test' });
    onTestFinished(() => connection.close());
    const other = await bindingStates({ nc: connection, log: () => {} });
    await other.change('counter.counts', (state) => ({ ...state, paused: true }));
    other.close();
    await vi.waitFor(() => expect(states.get('counter.counts')).toEqual({ epoch: 4, paused: true }), { timeout: 5000 });
  });

  it('counts as none where it cannot be read, and that is said', async () => {
    await server.nc.request('$KV.BRIDGE_STATE.counter.counts', '{"epoch":"no"}');
    expect((await openStates(server.nc)).get('counter.counts')).toEqual({ epoch: 1 });
    expect(sentences[0]).toMatch(/^the state of counter.counts in the bucket BRIDGE_STATE cannot be read and counts as none/);
  });

  it('needs its bucket', async () => {
    const manager = await jetstreamManager(server.nc);
    await manager.streams.delete(BUCKET);
    await expect(bindingStates({ nc: server.nc, log: () => {} })).rejects.toThrow(
      'the bucket BRIDGE_STATE does not exist; create the streams first',
    );
  });
});
