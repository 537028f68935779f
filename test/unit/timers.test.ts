/** Alarms in a cluster where not every replica is up to date. */
import { type Msg, MsgHdrsImpl } from '@nats-io/transport-node';
import { expect, it } from 'vitest';
import type { Requests } from '#infra/bridge/publish/requests.ts';
import { timers } from '#infra/bridge/publish/timers.ts';
import { systemClock } from '#shared/clock.ts';

const answer = (body: unknown, headers?: MsgHdrsImpl): Msg =>
  ({ headers, json: () => body, string: () => JSON.stringify(body) }) as Partial<Msg> as Msg;

/** The stream TIMERS: its leader has one alarm, and whoever answers direct reads has none. */
const lagging = () => {
  let last = 7;
  const hdrs = MsgHdrsImpl.fromRecord({ 'X-Entity-Version': ['1'], 'Nats-Schedule': ['@at 2100-01-01T00:00:00.000Z'] }) as MsgHdrsImpl;
  const ask: Requests['ask'] = async (subject, _data, headers) => {
    if (subject.startsWith('$JS.API.DIRECT.GET.')) return answer({}, { code: 404 } as MsgHdrsImpl);
    if (subject.startsWith('$JS.API.STREAM.MSG.GET.'))
      return answer({ message: { seq: last, hdrs: Buffer.from(hdrs.encode()).toString('base64') } });
    if (headers?.get('Nats-Expected-Last-Subject-Sequence') !== String(last))
      return answer({ error: { code: 400, err_code: 10071, description: `wrong last sequence: ${last}` } });
    last += 1;
    return answer({ stream: 'TIMERS', seq: last });
  };
  const { setTimers } = timers({ inFlight: { ask } as Requests, clock: systemClock });
  return { setTimers, last: () => last };
};

it('an alarm that was just set as it is wanted is not set again', async () => {
  const { setTimers, last } = lagging();
  for (let n = 0; n < 3; n++) await setTimers('fn', [{ key: 'agent.a1', at: '2100-01-02T00:00:00.000Z', version: 2 }]);
  expect(last()).toBe(8);
  await setTimers('fn', [{ key: 'agent.a1', at: '2100-01-03T00:00:00.000Z', version: 2 }]);
  expect(last()).toBe(9);
});

it('an alarm is moved though a replica that is behind knows nothing of it', async () => {
  const { setTimers, last } = lagging();
  await setTimers('fn', [{ key: 'agent.a1', at: '2100-01-02T00:00:00.000Z', version: 2 }]);
  expect(last()).toBe(8);
});
