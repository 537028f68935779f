/** Tells when NATS goes away, stays away and comes back, and what it refuses. */
import type { NatsConnection } from '@nats-io/transport-node';
import type { Log } from './log.ts';

/** ms between two sentences while NATS is away. */
const TELL_MS = 60_000;
/** ms. A permission that is missing is missed by every message. */
const REFUSAL_MS = 1000;

/** Ends with the connection. */
export const watchConnection = async (nc: NatsConnection, log: Log): Promise<void> => {
  let told = 0;
  let refused = 0;
  for await (const status of nc.status()) {
    const now = Date.now();
    switch (status.type) {
      case 'disconnect':
        told = now;
        log.warn(`the connection to NATS at ${status.server} is lost: connecting again`);
        break;
      case 'reconnecting':
        if (now - told < TELL_MS) break;
        told = now;
        log.warn('NATS is still away: connecting again');
        break;
      case 'reconnect':
        log.info(`connected to NATS at ${status.server} again`);
        break;
      case 'error':
        if (now - refused < REFUSAL_MS) break;
        refused = now;
        log.error(`NATS refuses: ${status.error.message}`);
        break;
    }
  }
};
