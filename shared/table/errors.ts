/** What goes wrong with a table, as one sentence for a person. The SDK's error is the `cause`. */
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';

export class TableError extends Error {
  override name = 'TableError';
}

const UNREACHABLE = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'EPIPE']);
const SILENT = new Set(['TimeoutError', 'AbortError']);

/** Where a client sends its calls: the URL of an endpoint, or the region. */
export const whereIs = async (client: DynamoDBClient): Promise<string> => {
  const endpoint = await client.config.endpoint?.();
  if (endpoint) return `${endpoint.protocol}//${endpoint.hostname}${endpoint.port ? `:${endpoint.port}` : ''}`;
  return `DynamoDB in ${await client.config.region().catch(() => 'no region')}`;
};

export const toTableError = (error: unknown, tableName: string, where: string): TableError => {
  if (error instanceof TableError) return error;
  const { name, message, code } = error as { name: string; message: string; code?: string };
  return new TableError(sentence(name, message, code, tableName, where), { cause: error });
};

const sentence = (name: string, message: string, code: string | undefined, tableName: string, where: string): string => {
  if (name === 'ResourceNotFoundException' || name === 'ResourceNotFound')
    return `there is no table ${tableName} at ${where}: create it, or set TABLE_NAME to one that exists`;
  if (SILENT.has(name) || UNREACHABLE.has(code ?? '')) {
    const advice = where.startsWith('http') ? 'start it, or correct AWS_ENDPOINT_URL_DYNAMODB' : 'correct AWS_REGION, or the network';
    return `the table's endpoint ${where} does not answer (${code ?? name}): ${advice}`;
  }
  // The second is how osls names the first.
  if (name === 'CredentialsProviderError' || code === 'AWS_CREDENTIALS_NOT_FOUND')
    return `there are no AWS credentials for ${where}: set AWS_PROFILE, or AWS_ACCESS_KEY_ID with its secret`;
  if (message === 'Region is missing') return 'there is no AWS region for the table: set AWS_REGION';
  return `table ${tableName} at ${where} refused: ${name}: ${message}`;
};
