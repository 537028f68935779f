/** A workflow with two stages at the same time: the next one begins when both are complete, with what both answered. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, request, listen, answer, check }: Client): Promise<void> => {
  const workflow = id('doc');
  const work: Record<string, (given: { words: number; images: number }) => unknown> = {
    split: () => 'a page',
    words: () => 300,
    images: () => 2,
    merge: ({ words, images }) => `${words} words and ${images} images`,
  };
  await answer(`pipeline.${workflow}.*.*`, (given, subject) => {
    const [, , number, stage = ''] = subject.split('.');
    publish(`coord.${workflow}.complete`, { stage: `${number}.${stage}`, result: work[stage]?.(given) });
  });
  const complete = await listen(`pipeline.${workflow}.complete`);

  say('words and images have the same number, so they run together');
  const stages = [
    { number: 1, name: 'split' },
    { number: 2, name: 'words' },
    { number: 2, name: 'images' },
    { number: 3, name: 'merge' },
  ];
  await request('control.workflow.start', { workflow_id: workflow, stages, payload: 'a document' });
  const result = await complete('the end of the workflow');
  check(result === '300 words and 2 images', `the workflow ended with ${result}`);
};
