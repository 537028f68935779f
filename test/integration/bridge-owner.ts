/** A bridge's ownership in a process of its own: `<port> <bridge id> <duty>...`. It prints what it takes and hands over, a line each. */
import { connect } from '@nats-io/transport-node';
import { startOwnership } from '#infra/bridge/ownership/ownership.ts';

const [port, bridgeId = '', ...names] = process.argv.slice(2);
const duties = names.map((name) => ({
  name,
  take: async () => console.log(`takes ${name}`),
  handOver: async () => console.log(`hands over ${name}`),
}));
const nc = await connect({ port: Number(port), maxReconnectAttempts: -1 });
await startOwnership({ nc, bridgeId, duties, log: () => {} });
console.log('ready');
