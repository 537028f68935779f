/** Counts what this process asks of the table: items written, keys read, and calls. */
import {
  BatchExecuteStatementCommand,
  BatchGetItemCommand,
  BatchWriteItemCommand,
  DynamoDBClient,
  PutItemCommand,
  QueryCommand,
  TransactWriteItemsCommand,
} from '@aws-sdk/client-dynamodb';

export type Traffic = { written: number; read: number; calls: number };

type Input = { Statements?: unknown[]; TransactItems?: unknown[]; RequestItems?: Record<string, { Keys?: unknown[] } | unknown[]> };

/** Until `stop`. Items that a query answers count as read. */
export const countTraffic = (): { now(): Traffic; stop(): void } => {
  const { send } = DynamoDBClient.prototype;
  const traffic: Traffic = { written: 0, read: 0, calls: 0 };
  DynamoDBClient.prototype.send = function (this: DynamoDBClient, command: never, ...rest: never[]) {
    const counted: unknown = command;
    const { Statements = [], TransactItems = [], RequestItems = {} } = (command as { input: Input }).input;
    const requested = Object.values(RequestItems);
    traffic.calls++;
    if (counted instanceof BatchExecuteStatementCommand) traffic.written += Statements.length;
    if (counted instanceof TransactWriteItemsCommand) traffic.written += TransactItems.length;
    if (counted instanceof PutItemCommand) traffic.written++;
    if (counted instanceof BatchWriteItemCommand) traffic.written += requested.reduce((sum, of) => sum + (of as unknown[]).length, 0);
    if (counted instanceof BatchGetItemCommand)
      traffic.read += requested.reduce((sum, of) => sum + ((of as { Keys?: unknown[] }).Keys?.length ?? 0), 0);
    const sent = (send as (...args: unknown[]) => Promise<{ Count?: number }>).call(this, command, ...rest);
    const answered = counted instanceof QueryCommand ? sent.then((answer) => count(traffic, answer)) : sent;
    return answered as never;
  } as typeof send;
  return {
    now: () => ({ ...traffic }),
    stop: () => {
      DynamoDBClient.prototype.send = send;
    },
  };
};

const count = (traffic: Traffic, answer: { Count?: number }) => {
  traffic.read += answer.Count ?? 0;
  return answer;
};
