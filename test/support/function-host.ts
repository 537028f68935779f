/** The functions of `tally.ts` behind the Lambda API, as a process that can be killed: `node function-host.ts <address> <port>`. */
import { randomUUID } from 'node:crypto';
import type { Batch } from '#shared/contract.ts';
import { hosts, startLambdaApi } from './lambda-api.ts';
import { ledger, tally } from './tally.ts';

export const hostTallies = hosts({
  tally: (batch: Batch) => tally(batch, { awsRequestId: randomUUID() }),
  ledger: (batch: Batch) => ledger(batch, { awsRequestId: randomUUID() }),
});

const [address, port] = process.argv.slice(2);
if (import.meta.main) await startLambdaApi(hostTallies, { address: String(address), port: Number(port) });
