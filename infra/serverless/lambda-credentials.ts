/**
 * Stands in the bundles for the SDK's `@aws-sdk/credential-provider-node`: a Lambda has its role's credentials in its
 * environment, and the clients of all other places where they could be are a quarter of a bundle.
 */
export const defaultProvider = () => async () => {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken } = process.env;
  if (!accessKeyId || !secretAccessKey)
    throw new Error('AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not in the environment: a function has them from its role');
  return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
};
