/** Notifications, sent to where people are. Its two bindings hear the same, so that neither target waits for the other. */
import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics } from '@aws-lambda-powertools/metrics';
import middy from '@middy/core';
import type { Answer, Batch } from '#shared/contract.ts';
import { METRICS_NAMESPACE } from '#shared/function/metric-names.ts';
import { observe } from '#shared/function/observe.ts';
import { parseSettings } from '#shared/function/runtime.ts';
import { notifyAll } from './notify.ts';
import { type Settings, settings } from './settings.ts';

const name = 'notifier';
const logger = new Logger({ serviceName: name });
const metrics = new Metrics({ namespace: METRICS_NAMESPACE, serviceName: process.env.AWS_LAMBDA_FUNCTION_NAME ?? name });
const world = { now: Date.now, environment: process.env };
const say = (notification: object) => logger.info('a notification, and nowhere to send it', { notification });
let parsed: Settings | undefined;

const notify = middy<Batch, Answer>()
  .use(observe(() => ({ logger, metrics })))
  .handler((batch: Batch) => {
    parsed ??= parseSettings(settings, process.env, name);
    return notifyAll(batch, { settings: parsed, world, say });
  });

export const handler = Object.assign(notify, { owns: [] as string[] });
