import fc from 'fast-check';
import { expect, test } from 'vitest';
import { natureOf } from '#functions/dlq-processor/classify.ts';
import { addPart, assemble, fitsAgain } from '#functions/dlq-processor/content.ts';
import { letters } from '#functions/dlq-processor/decide.ts';
import { fingerprint } from '#functions/dlq-processor/fingerprint.ts';
import { type Letter, obstacle } from '#functions/dlq-processor/letter.ts';
import { settings } from '#functions/dlq-processor/settings.ts';
import { readManifest } from '#infra/bridge/manifest/read-manifest.ts';
import type { Headers } from '#shared/contract.ts';
import { catalogue } from '#shared/messages/catalogue.ts';
import { deadLetter, maxDeliveries } from '#shared/messages/dead-letter.ts';
import { matchesFilter, toFilter } from '#shared/subjects.ts';
import { drive, received, START } from '#test/support/decide.ts';

const SUBJECT = 'supervision.failures.high';
const RECORD = 'SUPERVISION_EVENTS@1:7:9';
const TRANSIENT = 'table_unavailable';

const processor = (environment: Record<string, string> = {}) => drive(letters, settings.parse(environment));

type Said = { code?: string; record?: string; data?: string; headers?: Headers; sentAt?: number; consumer?: string; fn?: string };

const died = ({
  code = 'not_json',
  record = RECORD,
  data = 'bytes',
  headers = {},
  sentAt = START,
  consumer = 'S@1/f_a.1',
  fn = 'f',
}: Said = {}) =>
  received(
    deadLetter,
    { subject: SUBJECT },
    { data, encoding: 'utf8' },
    {
      sentAt,
      headers: {
        'X-Trace-ID': ['t1'],
        ...headers,
        'X-Dead-Letter-Subject': [SUBJECT],
        'X-Dead-Letter-Stream': ['SUPERVISION_EVENTS'],
        'X-Dead-Letter-Sequence': ['7'],
        'X-Dead-Letter-Consumer': [consumer],
        'X-Dead-Letter-Function': [fn],
        'X-Dead-Letter-Attempts': ['5'],
        'X-Dead-Letter-Code': [code],
        'X-Dead-Letter-Reason': ['agent a17: "x" is no number'],
        'Nats-Msg-Id': [`dlq:${consumer}:${record}`],
      },
    },
  );

const idOf = (event: ReturnType<typeof died>) => letters.id(event);

/** The dead letter of a replay: the bridge keeps the headers that it was replayed with. */
const diedAgain = (replayed: { headers?: Headers }, sentAt: number, said: Said = {}) =>
  died({ ...said, record: `SUPERVISION_EVENTS@1:${sentAt}:1`, headers: replayed.headers ?? {}, sentAt });

test('a letter is kept with its bytes, where it came from and why', () => {
  const story = processor();
  story.tell(died());
  expect(story.state(idOf(died()))).toMatchObject({
    subject: SUBJECT,
    function: 'f',
    code: 'not_json',
    nature: 'poison',
    attempts: 5,
    status: 'open',
    retries: 0,
    content: { of: 1, inline: { data: 'bytes', headers: { 'X-Trace-ID': ['t1'] } } },
    keepUntil: START + 30 * 24 * 3_600_000,
  });
});

test('it is found by subject, code, group and day', () => {
  const story = processor();
  const { children } = story.tell(died()) as { children: { lookup: string }[] };
  const group = (story.state(idOf(died())) as Letter).group;
  expect(children.map(({ lookup }) => lookup)).toEqual([
    `dlq.subject=${SUBJECT}`,
    'dlq.code=not_json',
    `dlq.group=${group}`,
    'dlq.day=2026-01-01',
  ]);
});

test('the same letter twice is one, and the second costs no write', () => {
  const story = processor();
  story.tell(died());
  story.tell(died());
  const { group } = story.state(idOf(died())) as Letter;
  expect([story.writes(), story.stateOf(`letter-group#${group}`)]).toMatchObject([1, { count: 1, examples: [idOf(died())] }]);
});

test('poison waits for a person', () => {
  const story = processor();
  story.tell(died());
  story.until(START + 24 * 3_600_000);
  expect([story.wakeAt(idOf(died())), story.published]).toEqual([null, []]);
});

test('a transient letter is published again as it was, with its count and where it came from', () => {
  const story = processor();
  story.tell(died({ code: TRANSIENT }));
  story.until(START + 29_999);
  expect(story.published).toEqual([]);
  story.until(START + 30_000);
  expect(story.published).toEqual([
    {
      subject: SUBJECT,
      raw: { data: 'bytes', encoding: 'utf8' },
      headers: { 'X-Trace-ID': ['t1'], 'X-Retry-Count': ['1'], 'X-Dead-Letter-Origin': [RECORD] },
    },
  ]);
});

test('what comes back is the same letter, later each time, up to the cap', () => {
  const story = processor();
  const times: number[] = [];
  story.tell(died({ code: TRANSIENT }));
  for (let wakeAt = story.wakeAt(idOf(died())); wakeAt !== null; wakeAt = story.wakeAt(idOf(died()))) {
    times.push((wakeAt - story.now()) / 1000);
    story.until(wakeAt);
    const last = story.published.at(-1);
    if (last) story.tell(diedAgain(last, wakeAt, { code: TRANSIENT }));
  }
  expect(times).toEqual([30, 120, 480, 1920, 3600]);
  expect(story.state(idOf(died()))).toMatchObject({ status: 'open', retries: 5, attempts: 30 });
});

test('a late copy of an earlier time changes nothing', () => {
  const story = processor();
  story.tell(died({ code: TRANSIENT }));
  story.until(START + 30_000);
  expect(story.tell(died({ code: TRANSIENT, sentAt: START + 40_000 }))).toEqual({ outcome: 'done' });
});

test('a message that two functions gave up is two letters, and stays two when it comes back', () => {
  const story = processor();
  const [mine, theirs] = [died({ code: TRANSIENT }), died({ code: TRANSIENT, fn: 'g', consumer: 'S@1/g_a.1' })];
  for (const event of [mine, theirs]) story.tell(event);
  story.until(START + 30_000);
  const [replayed] = story.published;
  story.tell(diedAgain(replayed ?? {}, START + 31_000, { fn: 'g', consumer: 'S@1/g_a.1' }));
  expect([story.state(idOf(mine))?.status, story.state(idOf(theirs))?.status]).toEqual(['replayed', 'open']);
});

test('a foreign consumer that gave up leaves a letter without bytes, which nobody can publish again', () => {
  const story = processor();
  const body = { id: 'x', timestamp: '2026-01-01T00:00:00Z', stream: 'ORDERS', consumer: 'billing', stream_seq: 7, deliveries: 5 };
  const event = received(maxDeliveries, { stream: 'ORDERS', consumer: 'billing' }, body);
  story.tell(event);
  const letter = story.state(letters.id(event)) as Letter;
  expect([letter.code, letter.nature, obstacle(letter, 10)]).toEqual(['max_deliveries', 'poison', 'its bytes are not known']);
});

test('a letter whose time is over is a new one when it comes again', () => {
  const story = processor({ DLQ_KEEP_DAYS: '1' });
  story.tell(died());
  story.tell(died({ record: 'SUPERVISION_EVENTS@1:8:1', headers: { 'X-Dead-Letter-Origin': [RECORD] }, sentAt: START + 25 * 3_600_000 }));
  expect(story.state(idOf(died()))?.history).toHaveLength(1);
});

test.each([
  ['timeout', 'transient'],
  ['throttled', 'transient'],
  ['conflict', 'transient'],
  ['invalid_body', 'poison'],
  ['unrouted', 'poison'],
  ['toString', 'poison'],
])('%s is %s', (code, nature) => {
  expect(natureOf(code)).toBe(nature);
});

const same = { function: 'f', code: 'c', reason: 'agent a17 at 12:04:05: "blue" is not 0.5', subject: 'agent.a17.ready' };

test.each([
  ['another agent', { subject: 'agent.b99.ready', reason: 'agent b99 at 23:59:59: "red" is not 11.25' }, true],
  ['an agent without a number', { subject: 'agent.bob.ready', reason: 'agent bob at 1:1:1: "red" is not 3' }, true],
  ['another verb', { subject: 'agent.a17.started' }, false],
  ['another function', { function: 'g' }, false],
  ['another code', { code: 'd' }, false],
  ['another sentence', { reason: 'agent a17 at 12:04:05: "blue" is odd' }, false],
])('%s: the same error?', (_, other, isSame) => {
  expect(fingerprint({ ...same, ...other }).id === fingerprint(same).id).toBe(isSame);
});

const parts = fc.array(fc.uint8Array({ maxLength: 400_000, size: 'max' }), { minLength: 1, maxLength: 4 });

test('however a letter was cut, in whatever order its parts come and come again, it is put together as it was', () => {
  fc.assert(
    fc.property(parts, fc.infiniteStream(fc.nat()), (cut, order) => {
      const messages = cut.map((bytes, n) => ({
        n: n + 1,
        body: { data: Buffer.from(bytes).toString('base64'), encoding: 'base64' as const },
      }));
      const shuffled = messages.map((message) => ({ message, at: order.next().value ?? 0 })).sort((a, b) => a.at - b.at);
      const children = new Map<string, unknown>();
      let stored: ReturnType<typeof addPart>['content'] | undefined;
      for (const { message } of [...shuffled, ...shuffled]) {
        const added = addPart(stored, { body: message.body, headers: { A: [String(message.n)] } }, { n: message.n, of: cut.length });
        stored = added.content;
        for (const child of added.children) children.set(child.name, child.data);
      }
      const whole = stored && assemble(stored, children);
      expect([whole?.headers, Buffer.from(whole?.data ?? '', whole?.encoding).equals(Buffer.concat(cut))]).toEqual([{ A: ['1'] }, true]);
    }),
    { numRuns: 20 },
  );
});

test('a part that is missing leaves a letter that cannot be published again', () => {
  const { content, children } = addPart(undefined, { body: { data: 'a', encoding: 'utf8' }, headers: {} }, { n: 1, of: 2 });
  expect(assemble(content, new Map(children.map(({ name, data }) => [name, data])))).toBeUndefined();
});

test.each([
  ['a letter that lacks room only for its reason', 300, true],
  ['a letter as large as the server takes', 650, false],
])('%s: fits once more?', (_, rest, fits) => {
  const headers = { 'X-Dead-Letter-Reason': ['r'.repeat(1000 - 'X-Dead-Letter-Reason'.length - 4)] };
  const first = addPart(undefined, { body: { data: 'x'.repeat(9000), encoding: 'utf8' }, headers }, { n: 1, of: 2 });
  const second = addPart(first.content, { body: { data: 'x'.repeat(rest), encoding: 'utf8' }, headers }, { n: 2, of: 2 });
  expect(fitsAgain(second.content)).toBe(fits);
});

test('it may publish whatever a stream of the product carries', async () => {
  const { functions } = await readManifest('serverless.yml');
  const allowed = functions.find(({ name }) => name === 'dlq-processor')?.publishes ?? [];
  const notCarried = ['core', 'request', 'ADVISORIES', 'DEAD_LETTERS'];
  const carried = catalogue.filter(({ by }) => !notCarried.includes(by)).map(({ subject }) => toFilter(subject));
  expect(carried.filter((subject) => !allowed.some((filter) => matchesFilter(filter, subject)))).toEqual([]);
});
