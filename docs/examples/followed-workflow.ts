/** A pipeline whose workers hand on to each other, as document 002 has it: followed without being declared. */
import type { Client } from './run/client.ts';

const STAGES = ['extract', 'analyze', 'summarize'];

export const run = async ({ id, say, publish, requestUntil, listen, answer }: Client): Promise<void> => {
  const workflow = id('doc');
  for (const [n, stage] of STAGES.entries()) {
    const next = STAGES[n + 1];
    // Workers for all documents subscribe to pipeline.*.*.<stage>, in the queue group pipeline-<stage>.
    await answer(`pipeline.${workflow}.*.${stage}`, (text, subject) => {
      const number = Number(subject.split('.')[2]) + 1;
      const to = next ? `${String(number).padStart(2, '0')}.${next}` : 'complete';
      publish(`pipeline.${workflow}.${to}`, `${text} > ${stage}`);
    });
  }
  const complete = await listen(`pipeline.${workflow}.complete`);

  publish(`pipeline.${workflow}.01.extract`, 'page 1');
  say(`the pipeline is through: ${await complete('the end of the pipeline')}`);
  say('what has happened, as an operator sees it:');
  const show = { workflow_id: workflow };
  await requestUntil('the history', 'control.workflow.show', show, ({ status }) => status === 'completed');
};
