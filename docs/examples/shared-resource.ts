/** A lease that runs out goes to who waits; the token of the first holder is refused from then on. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, request, listen, check }: Client): Promise<void> => {
  const [gpu, ann, ben] = [id('gpu'), id('ann'), id('ben')];
  const [toAnn, toBen] = [await listen(`coordination.resources.granted.${ann}`), await listen(`coordination.resources.granted.${ben}`)];
  const isGranted = ({ status }: { status: string }) => status === 'granted';
  const acquire = (requester: string, ttl_ms: number) =>
    publish(`coordination.resources.request.${gpu}`, { coordination_type: 'acquire', requester, ttl_ms });

  acquire(ann, 1000);
  const { fencing_token: old } = await toAnn('the first lease', isGranted);
  acquire(ben, 30_000);
  say(`${ann} pauses for longer than its lease, and does not know it`);
  const { fencing_token: newer } = await toBen('the second lease', isGranted);
  check(newer > old, 'the token has not grown');
  say(`${ann} wants to write: whoever stores it asks whether the token still stands`);
  const { current } = await request('control.resource.check', { resource_id: gpu, fencing_token: old });
  check(current === false, 'the old token still stands');
  publish(`coordination.resources.request.${gpu}`, { coordination_type: 'release', requester: ben, fencing_token: newer });
  await toBen('the release', ({ status }) => status === 'released');
};
