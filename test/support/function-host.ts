/** The functions of `tally.ts` behind the Lambda API, as a process that can be killed: `node function-host.ts <address> <port>`. */
import { randomUUID } from 'node:crypto';
import type { Batch } from '#shared/contract.ts';
import { type Behaviour, hosts, refuses, startLambdaApi } from './lambda-api.ts';
import { ledger, tally } from './tally.ts';

const hosted = hosts({
  tally: (batch: Batch) => tally(batch, { awsRequestId: randomUUID() }),
  ledger: (batch: Batch) => ledger(batch, { awsRequestId: randomUUID() }),
});

/** AWS takes no signature that is older, or younger, ms. */
const SIGNED_WITHIN_MS = 300_000;

const signedAt = (stamp: unknown): number => Date.parse(String(stamp).replace(/(....)(..)(..T..)(..)(..Z)/, '$1-$2-$3:$4:$5'));

/** As AWS refuses a caller whose clock is wrong. */
const hostTallies: Behaviour = (call) => {
  const skew = Math.abs(Date.now() - signedAt(call.headers['x-amz-date']));
  return (skew > SIGNED_WITHIN_MS ? refuses(403, 'InvalidSignatureException') : hosted)(call);
};

const [address, port] = process.argv.slice(2);
await startLambdaApi(hostTallies, { address: String(address), port: Number(port) });
