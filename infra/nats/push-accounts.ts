/** Hands the claims of accounts to servers whose resolver stores them; what was revoked in them is refused from then on. */

import * as z from 'zod';
import { checkEnvironment, type Environment, refuse } from '../settings.ts';
import type { AccountClaims } from './claims.ts';
import { connectTo } from './connect.ts';
import { KeysError } from './key-folder.ts';
import { natsAddress, natsConflicts, natsUrl, natsVariables } from './nats-settings.ts';

const variables = z.object({ ...natsVariables, NATS_URL: natsUrl });
const ASK = { timeout: 5000 };
type Answer = { error?: { description: string }; data?: { message: string } };

/**
 * An account that servers do not know is first made without imports: accounts import from each other, and a server looks for
 * an unknown one for seconds. `environment`: NATS_*, with credentials of the system account. Rejects with an error of
 * one sentence.
 */
export const pushAccounts = async (environment: Environment, accounts: readonly AccountClaims[]): Promise<void> => {
  const { settings, mistakes } = checkEnvironment(variables, environment);
  const wrong = [...mistakes, ...natsConflicts(environment)];
  if (!settings || wrong.length > 0) return refuse(wrong);
  const connection = await connectTo({ ...natsAddress(settings, settings.NATS_URL), name: 'nats:creds' });
  const update = async ({ name }: AccountClaims, jwt: string): Promise<void> => {
    const answer = (await connection.request('$SYS.REQ.CLAIMS.UPDATE', jwt, ASK)).json<Answer>();
    if (answer.error) throw new KeysError(`the account ${name} was refused by the server: ${answer.error.description}`);
  };
  try {
    const known = (await connection.request('$SYS.REQ.CLAIMS.LIST', '', ASK)).json<{ data: string[] }>().data;
    for (const account of accounts) if (!known.includes(account.key)) await update(account, account.bare);
    for (const account of accounts) await update(account, account.jwt);
  } catch (error) {
    if (error instanceof KeysError) throw error;
    throw new KeysError(`the servers do not take accounts (${(error as Error).message}): is their resolver of type full?`);
  } finally {
    await connection.close();
  }
};
