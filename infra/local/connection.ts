/** A connection to the NATS servers of a NATS_URL. */
import { connect, type NatsConnection } from '@nats-io/transport-node';

/** `url`: servers divided by commas, the first may carry `user:password@` or `token@`. Rejects with an error of one sentence. */
export const connectTo = async (url: string, name: string): Promise<NatsConnection> => {
  const servers = url.split(',').map((one) => new URL(one.includes('://') ? one.trim() : `nats://${one.trim()}`));
  const { username, password } = servers[0] as URL;
  const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)];
  const hosts = servers.map((server) => `${server.protocol}//${server.host}`);
  return connect({
    servers: hosts,
    name,
    timeout: 5000,
    maxReconnectAttempts: -1,
    ...(pass ? { user, pass } : user && { token: user }),
  }).catch((cause: Error) => {
    throw new Error(
      `the NATS server at ${hosts.join(', ')} cannot be used (${cause.message}): start it, or correct NATS_URL or NATS_PORT`,
      { cause },
    );
  });
};
