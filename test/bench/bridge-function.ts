/**
 * The function of the bridge bench: a process that speaks Lambda's Invoke API and does next to nothing. What it does is in the
 * name that is called: `delay-20` answers after 20 ms, `echo` answers one output a record, `clock` notes how old a record is.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { Batch } from '#shared/contract.ts';
import { serveParent } from './bridge-child.ts';

const NOTHING = '{"batchItemFailures":[],"publish":[],"timers":[]}';

/** ms from publish to the first line. */
const ages: number[] = [];

const behaviours: Record<string, (batch: Batch) => string> = {
  echo: ({ Records }) => {
    const publish = Records.map(({ id, data }) => ({ cause: id, subject: 'bench.out', data }));
    return JSON.stringify({ batchItemFailures: [], publish, timers: [] });
  },
  clock: ({ Records: [record] }) => {
    const now = process.hrtime.bigint();
    ages.push(Number(now - BigInt((JSON.parse(record?.data ?? '') as { at: string }).at)) / 1e6);
    return NOTHING;
  },
};

const server = createServer(async (request, response) => {
  const [, name = ''] = /\/functions\/([^/]+)\/invocations$/.exec(request.url ?? '') ?? [];
  const body = await buffer(request);
  const behave = behaviours[name];
  const delay = Number(name.split('-')[1] ?? 0);
  const answer = behave ? behave(JSON.parse(body.toString()) as Batch) : NOTHING;
  if (delay > 0) setTimeout(() => response.end(answer), delay);
  else response.end(answer);
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  serveParent(`http://127.0.0.1:${port}`, { ages: () => ages });
});
