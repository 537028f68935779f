/** Subjects: what is built is parsed again, filters mean what NATS means, and a bad token is named. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { subjectMatcher, subjectProblem } from '#shared/subject-matcher.ts';
import {
  buildSubject,
  checkPublishable,
  internalSubjects,
  isToken,
  matchesFilter,
  paramNames,
  parseSubject,
  SubjectError,
  subjects,
  toFilter,
} from '#shared/subjects.ts';

const patterns = Object.values(subjects);
const token = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/);
const rest = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'));

/** A pattern with parameters that fit it. */
const filled = fc.constantFrom<string[]>(...patterns, ...Object.values(internalSubjects)).chain((pattern) => {
  const params = paramNames(pattern).map((name) => [name, pattern.includes(`<${name}...>`) ? rest : token] as const);
  return fc.record({ pattern: fc.constant(pattern), params: fc.record(Object.fromEntries(params)) });
});

const thrown = (attempt: () => unknown): unknown => {
  try {
    return attempt();
  } catch (error) {
    return error;
  }
};

describe('a subject of a pattern', () => {
  it('is parsed into the parameters it was built of', () => {
    fc.assert(
      fc.property(filled, ({ pattern, params }) => {
        expect(parseSubject(pattern, buildSubject(pattern, params))).toEqual({ ...params });
      }),
    );
  });

  it('matches the filter of its pattern', () => {
    fc.assert(
      fc.property(filled, ({ pattern, params }) => {
        expect(matchesFilter(toFilter(pattern), buildSubject(pattern, params))).toBe(true);
      }),
    );
  });

  it('keeps the case of an id, and takes the rest where the pattern says so', () => {
    expect(parseSubject(subjects.agentCreated, 'agent.Worker_1-b.created')).toEqual({ agent_id: 'Worker_1-b' });
    expect(parseSubject(subjects.deadLetter, 'dlq.work.nlp.high')).toEqual({ subject: 'work.nlp.high' });
  });

  it.each(['agent.a1', 'agent.a1.created.', 'agent..created', 'agent.a.b.created', 'agent.a:1.created', 'Agent.a1.created'])(
    'is not %j',
    (subject) => {
      expect(parseSubject(subjects.agentCreated, subject)).toBeUndefined();
    },
  );

  it('has fewer than 255 characters', () => {
    const room = 254 - 'agent..created'.length;
    const longest = buildSubject(subjects.agentCreated, { agent_id: 'x'.repeat(room) });
    expect([longest.length, parseSubject(subjects.agentCreated, longest)?.agent_id.length]).toEqual([254, room]);
    expect(parseSubject(subjects.agentCreated, `agent.${'x'.repeat(room + 1)}.created`)).toBeUndefined();
    expect(() => buildSubject(subjects.agentCreated, { agent_id: 'x'.repeat(room + 1) })).toThrow('has 255 characters: keep it under 255');
  });

  it('may be longer as a dead letter, for what arrived must be able to be buried', () => {
    const subject = 'x'.repeat(300);
    expect(parseSubject(subjects.deadLetter, buildSubject(subjects.deadLetter, { subject }))).toEqual({ subject });
  });
});

describe('a subject that cannot be published to', () => {
  it.each([
    ['a.b', 'agent_id "a.b" of agent.<agent_id>.cmd.pause is not one token: use letters, digits, _ and - only'],
    ['*', 'agent_id "*" of agent.<agent_id>.cmd.pause is not one token: use letters, digits, _ and - only'],
    ['', 'agent_id "" of agent.<agent_id>.cmd.pause is not one token: use letters, digits, _ and - only'],
  ])('is refused with the token %j', (agent_id, message) => {
    const error = thrown(() => buildSubject(subjects.commandPause, { agent_id }));
    expect(error).toEqual(new SubjectError(message, agent_id));
    expect(error).toMatchObject({ name: 'SubjectError', token: agent_id });
  });

  it.each([
    ['agent.*.cmd.pause', 'subject "agent.*.cmd.pause" has the wildcard "*", which reaches nobody in a publish: name each receiver'],
    ['agent.>', 'subject "agent.>" has the wildcard ">", which reaches nobody in a publish: name each receiver'],
    ['agent..ready', 'subject "agent..ready" has an empty token: write something between the dots'],
    ['agent.a b.ready', 'subject "agent.a b.ready" has the token "a b": leave out white space and control characters'],
  ])('%s', (subject, message) => {
    expect(() => checkPublishable(subject)).toThrow(message);
  });

  it('is none of these', () => {
    for (const subject of ['agent.a1.ready', '_INBOX.x.1', '$KV.AGENT_STATE.agent.a1', 'x'.repeat(254)]) checkPublishable(subject);
    expect(['a', 'A-1_b', '', 'a.b', 'ä', 'a\n', '__proto__'].map(isToken)).toEqual([true, true, false, false, false, false, false]);
  });
});

/** NATS wildcards, as plainly as they can be written. */
const reference = (filter: string[], subject: string[]): boolean => {
  const [f, ...filterRest] = filter;
  const [s, ...subjectRest] = subject;
  if (f === undefined || s === undefined) return f === s;
  if (f === '>' && filterRest.length === 0) return true;
  return (f === '*' || f === s) && reference(filterRest, subjectRest);
};

const word = fc.constantFrom('a', 'b', 'ab', 'a1');
const words = fc.array(word, { minLength: 1, maxLength: 5 });
const filterWords = fc
  .tuple(fc.array(fc.oneof(word, fc.constant('*')), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([tokens, tail]) => (tail ? [...tokens, '>'] : tokens));

describe('a filter', () => {
  it('matches what NATS would deliver', () => {
    fc.assert(
      fc.property(filterWords, words, (filter, subject) => {
        expect(matchesFilter(filter.join('.'), subject.join('.'))).toBe(reference(filter, subject));
      }),
      { numRuns: 2000 },
    );
  });

  it('is made of a pattern', () => {
    expect([subjects.agentCreated, subjects.deadLetter, internalSubjects.timerDue].map(toFilter)).toEqual([
      'agent.*.created',
      'dlq.>',
      'timers.due.*.>',
    ]);
  });
});

describe('the matcher', () => {
  const match = subjectMatcher(patterns);

  it('finds the pattern that a subject was built of', () => {
    const built = filled.filter(({ pattern }) => patterns.includes(pattern as (typeof patterns)[number]));
    fc.assert(
      fc.property(built, ({ pattern, params }) => {
        fc.pre(params.agent_id !== 'all');
        expect(match(buildSubject(pattern, params))).toBe(pattern);
      }),
    );
  });

  it('finds a pattern exactly where one of them parses', () => {
    const near = fc.tuple(filled, fc.nat(8), fc.constantFrom('x', '', 'a:b', 'created', 'round'));
    fc.assert(
      fc.property(near, ([{ pattern, params }, at, odd]) => {
        const subject = buildSubject(pattern, params).split('.').with(0, 'agent').toSpliced(at, 1, odd).join('.');
        const found = match(subject);
        if (found === undefined) expect(patterns.filter((candidate) => parseSubject(candidate, subject))).toEqual([]);
        else expect(parseSubject(found, subject)).toBeDefined();
      }),
    );
  });

  it('prefers a literal token: the one overlap of the protocol', () => {
    expect([match('health.check.all'), match('health.check.a1')]).toEqual([subjects.healthCheckAll, subjects.healthCheck]);
  });

  it('knows no other overlap', () => {
    const overlaps = patterns.flatMap((a) => patterns.filter((b) => a !== b && matchesFilter(toFilter(a), toFilter(b))).map((b) => [a, b]));
    expect(overlaps).toEqual([[subjects.healthCheck, subjects.healthCheckAll]]);
  });
});

describe('a subject that nobody knows', () => {
  it.each([
    [
      'agent.a.b.created',
      'bad_subject',
      'agent_id "a.b" in the subject of agent.<agent_id>.created is not one token: use letters, digits, _ and - only',
    ],
    [
      'work.nlp.hi!.ocr',
      'bad_subject',
      'priority "hi!" in the subject of work.<domain>.<priority>.<type> is not one token: use letters, digits, _ and - only',
    ],
    [
      `agent.${'x'.repeat(255)}.ready`,
      'bad_subject',
      'subject of agent.<agent_id>.ready has 267 characters: keep it under 255 with shorter ids',
    ],
    ['agent.a1.creatd', 'unrouted', 'agent.a1.creatd is no subject of this protocol: check its spelling against docs/wire.md'],
  ])('%s', (subject, code, message) => {
    expect(subjectProblem(patterns, subject)).toEqual({ code, message });
  });
});
