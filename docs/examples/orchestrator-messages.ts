/** Agents of document 004 talk on the bus, and what somebody has said to be done is answered to whoever asks for it. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, requestUntil, listen, check }: Client): Promise<void> => {
  const [architect, parser, model] = [id('architect'), id('parser'), id('task-model')];
  const bus = (from_agent: string, message_type: string, content: object) =>
    publish(`orchestrator.broadcast.${message_type}`, {
      from_agent,
      to_agent: null,
      message_type,
      content,
      timestamp: new Date().toISOString(),
      correlation_id: id(message_type),
    });
  const toParser = await listen(`orchestrator.agent.${parser}.*`);

  bus(architect, 'status_update', { status: 'completed', component: model, location: 'src/models/task.py' });
  const isKnown = (answer: object) => JSON.stringify(answer).includes(architect);
  await requestUntil('the status', 'control.orchestrator.list', { view: 'agents', limit: 100 }, isKnown);

  say(`${parser} asks everybody whether ${model} is there`);
  bus(parser, 'resource_request', { resource: model });
  const { content } = await toParser('the answer', ({ message_type }) => message_type === 'resource_response');
  check(content.by === architect, `the answer names ${content.by}, not ${architect}`);
};
