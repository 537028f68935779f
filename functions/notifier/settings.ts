/** Where notifications are sent, from variables of the environment. What is empty is not there. */
import * as z from 'zod';

const TOPIC = /^arn:aws[a-z-]*:sns:([a-z0-9-]+):\d{12}:[\w-]+$/;
const SECRET = /^whsec_[A-Za-z0-9+/]{32,}={0,2}$/;

const isWebUrl = (text: string): boolean => {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
};

/** Mistakes do not say the value: a URL and a secret are not for the log. */
export const settings = z
  .object({
    NOTIFY_SNS_TOPIC_ARN: z
      .string()
      .default('')
      .refine((arn) => arn === '' || TOPIC.test(arn), { error: 'must be the ARN of a standard SNS topic' }),
    NOTIFY_WEBHOOKS: z
      .string()
      .default('')
      .transform((list) => list.split(/[\s,]+/).filter((url) => url !== ''))
      .refine((urls) => urls.every(isWebUrl), {
        error: 'must be URLs that begin with https:// or http://, without a user, divided by commas',
      }),
    NOTIFY_WEBHOOK_SECRET: z
      .string()
      .default('')
      .refine((secret) => secret === '' || SECRET.test(secret), { error: 'must be whsec_ and at least 24 bytes in base64' }),
    AWS_ENDPOINT_URL: z.string().optional(),
    AWS_ENDPOINT_URL_SNS: z.string().optional(),
  })
  .refine(({ NOTIFY_WEBHOOKS: urls, NOTIFY_WEBHOOK_SECRET: secret }) => urls.length === 0 || secret !== '', {
    path: ['NOTIFY_WEBHOOK_SECRET'],
    error: 'is needed with NOTIFY_WEBHOOKS: what is sent there is signed',
  })
  .transform((environment) => ({
    topic: topicOf(environment.NOTIFY_SNS_TOPIC_ARN, environment.AWS_ENDPOINT_URL_SNS ?? environment.AWS_ENDPOINT_URL),
    webhooks: environment.NOTIFY_WEBHOOKS,
    secret: environment.NOTIFY_WEBHOOK_SECRET,
  }));

export type Topic = { arn: string; region: string; endpoint: string };

const topicOf = (arn: string, endpoint: string | undefined): Topic | undefined => {
  const region = TOPIC.exec(arn)?.[1];
  if (region === undefined) return undefined;
  const suffix = region.startsWith('cn-') ? '.cn' : '';
  return { arn, region, endpoint: endpoint ?? `https://sns.${region}.amazonaws.com${suffix}` };
};

export type Settings = z.infer<typeof settings>;
