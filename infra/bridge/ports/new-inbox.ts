/** A subject for answers, below the prefix that the connection was made with: its user may be allowed to hear no other. */
import { jetstream } from '@nats-io/jetstream';
import { createInbox, type NatsConnection } from '@nats-io/transport-node';

/** The library tells a connection's prefix in JetStream's options only. */
export const newInbox = (nc: NatsConnection): string => createInbox(jetstream(nc).getOptions().watcherPrefix);
