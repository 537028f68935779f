/** AWS clients against an endpoint of one's own (an emulator, a proxy), where neither a region nor credentials need to be set. */

type Environment = Record<string, string | undefined>;

const CREDENTIAL_SOURCES = [
  'AWS_ACCESS_KEY_ID',
  'AWS_PROFILE',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
];

/** What a client needs to know of `AWS_ENDPOINT_URL_<service>` or `AWS_ENDPOINT_URL`: nothing where neither is set. */
export const ownEndpoint = (service: 'DYNAMODB' | 'LAMBDA', environment: Environment) => {
  const endpoint = environment[`AWS_ENDPOINT_URL_${service}`] ?? environment.AWS_ENDPOINT_URL;
  if (!endpoint) return {};
  const hasCredentials = CREDENTIAL_SOURCES.some((name) => environment[name]);
  return {
    endpoint,
    region: environment.AWS_REGION ?? 'us-east-1',
    ...(!hasCredentials && { credentials: { accessKeyId: 'local', secretAccessKey: 'local' } }),
  };
};
