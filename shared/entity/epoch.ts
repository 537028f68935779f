/**
 * A consumer identity is `<stream>@<stream created>/<consumer>.<epoch>`; a reset or a replay begins the next epoch (protocol,
 * bridge rule 10). What no stream keeps has one epoch only.
 */
const isUnstored = (consumer: string): boolean => consumer.startsWith('core@') || consumer.startsWith('request@');

export const epochOf = (consumer: string): number => (isUnstored(consumer) ? 1 : Number(consumer.slice(consumer.lastIndexOf('.') + 1)));

/** Of these identities the other epochs of a consumer. */
export const otherEpochs = (identities: Iterable<string>, consumer: string): string[] => {
  if (isUnstored(consumer)) return [];
  const line = consumer.slice(0, consumer.lastIndexOf('.') + 1);
  const others: string[] = [];
  for (const identity of identities) if (identity !== consumer && identity.startsWith(line)) others.push(identity);
  return others;
};

/** Whether a consumer identity is this one, or an older epoch of it. */
export const isUpTo = (identity: string, consumer: string): boolean =>
  identity === consumer || (otherEpochs([identity], consumer).length > 0 && epochOf(identity) < epochOf(consumer));
