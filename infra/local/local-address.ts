/** Where `npm start` has its NATS, for programs beside it: NATS_URL, or the port of this machine. */
import type { NatsAddress } from '../nats/connect.ts';
import { natsAddress } from '../nats/nats-settings.ts';
import type { Settings } from './settings.ts';

/** Throws where the settings name no server. */
export const localAddress = (settings: Settings): NatsAddress => {
  if (settings.NATS_URL === undefined && settings.NATS_PORT === 0)
    throw new Error('NATS_PORT=0 says nothing about a server that runs: set NATS_URL to the address that npm start printed');
  return natsAddress(settings, settings.NATS_URL ?? `nats://127.0.0.1:${settings.NATS_PORT}`);
};
