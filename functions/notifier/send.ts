/** The requests that carry a notification out. */
import { type Credentials, postSigner } from '#shared/aws-signature.ts';
import { errorCode, judge, type Outcome, publishForm, type Request, type Told, together, webhookRequest } from './decide.ts';
import type { Settings, Topic } from './settings.ts';

/** The clock (epoch ms) and the environment that credentials come from: a Lambda has its role's, an endpoint of one's own takes any. */
export type World = { now: () => number; environment: Record<string, string | undefined> };

/** Well below the time that the function has. */
const TIMEOUT_MS = 4000;
const FORM = 'application/x-www-form-urlencoded; charset=utf-8';

/** A URL's path may be a secret. */
const sayable = (url: string): string => new URL(url).origin;

/** `codeOf`: of the body of an error, where it has one. */
const post = async (
  url: string,
  { body, headers }: Request,
  { now }: World,
  codeOf?: (text: string) => string | undefined,
): Promise<Outcome> => {
  const where = sayable(url);
  try {
    // What is moved elsewhere was not meant for there.
    const options = { method: 'POST', body, headers, redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT_MS) } as const;
    const answer = await fetch(url, options);
    const code = answer.ok ? undefined : codeOf?.(await answer.text());
    if (!answer.bodyUsed) await answer.body?.cancel();
    return judge(where, { status: answer.status, retryAfter: answer.headers.get('retry-after'), code }, now());
  } catch (error) {
    const { name, cause } = error as Error;
    const code = (cause as NodeJS.ErrnoException | undefined)?.code;
    return {
      outcome: 'retry',
      why: `${where} ${name === 'TimeoutError' ? `did not answer within ${TIMEOUT_MS} ms` : `cannot be reached (${code ?? name})`}`,
    };
  }
};

const credentialsOf = (environment: World['environment']): Credentials => {
  const { AWS_ACCESS_KEY_ID = 'local', AWS_SECRET_ACCESS_KEY = 'local', AWS_SESSION_TOKEN } = environment;
  return {
    accessKeyId: AWS_ACCESS_KEY_ID,
    secretAccessKey: AWS_SECRET_ACCESS_KEY,
    ...(AWS_SESSION_TOKEN && { sessionToken: AWS_SESSION_TOKEN }),
  };
};

export const sendToTopic = (told: Told, { arn, region, endpoint }: Topic, world: World): Promise<Outcome> => {
  const url = new URL('/', endpoint);
  const body = publishForm(told, arn);
  const flat = postSigner({ service: 'sns', region, contentType: FORM })(
    credentialsOf(world.environment),
    url.host,
    url.pathname,
    Buffer.from(body),
    new Date(world.now()),
  );
  const headers = Object.fromEntries(flat.flatMap((name, n) => (n % 2 === 0 && name !== 'host' ? [[name, flat[n + 1] ?? '']] : [])));
  return post(url.href, { body, headers }, world, errorCode);
};

export const sendToWebhooks = async (told: Told, { webhooks, secret }: Settings, world: World): Promise<Outcome> =>
  together(await Promise.all(webhooks.map((url) => post(url, webhookRequest(told, secret, world.now()), world))));
