/** docs/wire.md and the catalogue say the same, both ways. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type * as z from 'zod';
import { catalogue } from '#shared/messages/catalogue.ts';
import { opaque } from '#shared/messages/opaque.ts';
import { paramNames } from '#shared/subjects.ts';

const doc = readFileSync(new URL('../../docs/wire.md', import.meta.url), 'utf8');
const section = (title: string) => doc.split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? '';

/** Subject, carrier and body of every row of the messages' tables. */
const rows = [...section('Messages').matchAll(/^\| `([^`]+)` \| (\w+) \| (.+) \|$/gm)].map(([, subject, by, body]) => ({
  subject,
  by,
  body: body ?? '',
}));

const inOrder = (rows: { subject: unknown; by: unknown }[]) => rows.map(({ subject, by }) => `${subject} by ${by}`).toSorted();

describe('docs/wire.md', () => {
  it('has a row for every subject of the catalogue, with its carrier, and no other', () => {
    expect(inOrder(rows)).toEqual(inOrder([...catalogue]));
  });

  it.each(catalogue.map((message) => [message.name, message] as const))('names the required fields of %s', (_, message) => {
    const body = rows.find(({ subject }) => subject === message.subject)?.body ?? '';
    if (message.body === opaque) return expect(body).toContain('opaque');
    const { shape } = message.body as unknown as z.ZodObject;
    const inSubject = paramNames(message.subject);
    const required = Object.keys(shape).filter((field) => !shape[field]?.safeParse(undefined).success && !inSubject.includes(field));
    expect(required.filter((field) => !body.includes(`\`${field}\``))).toEqual([]);
  });

  it('names the codes of the reader', () => {
    const codes = [...section('What is read besides plain JSON').matchAll(/^\| `(\w+)` \|/gm)].map(([, code]) => code);
    expect(codes).toEqual(['unrouted', 'bad_subject', 'not_json', 'invalid_body']);
  });
});
