/** Middleware: a log line for every record that failed, and counts of what the invocation did. */
import type { MiddlewareObj } from '@middy/core';
import type { Answer, Batch } from '#shared/contract.ts';
import { parseSubject, subjects } from '#shared/subjects.ts';
import { CIRCUITS_OPENED } from './metric-names.ts';
import type { Runtime } from './runtime.ts';

export const observe = (runtime: () => Pick<Runtime, 'logger' | 'metrics'>): MiddlewareObj<Batch, Answer> => ({
  after: ({ event: batch, response: answer }) => {
    const { logger, metrics } = runtime();
    if (!answer) return;
    const dead = answer.batchItemFailures.filter((failure) => failure.deadLetter);
    metrics.addMetric('Records', 'Count', batch.Records.length);
    metrics.addMetric('Published', 'Count', answer.publish.length);
    metrics.addMetric('DeadLettered', 'Count', dead.length);
    metrics.addMetric('Retried', 'Count', answer.batchItemFailures.length - dead.length);
    const opened = answer.publish.filter(({ subject }) => parseSubject(subjects.circuitOpen, subject));
    if (opened.length > 0) metrics.addMetric(CIRCUITS_OPENED, 'Count', opened.length);
    metrics.publishStoredMetrics();
    for (const failure of answer.batchItemFailures)
      logger.warn(failure.reason?.message ?? 'a record failed', {
        binding: batch.binding,
        record: failure.itemIdentifier,
        code: failure.reason?.code,
      });
  },
  onError: ({ event: batch, error }) => runtime().logger.error('the invocation failed', { binding: batch.binding, error: error as Error }),
});
