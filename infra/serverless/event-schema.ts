/** The `nats` event as JSON Schema: for osls, which refuses a typo by its name, and for editors, which complete it. */
import * as z from 'zod';
import { natsEventSchema } from '../bridge/manifest/nats-event.ts';
import { customNatsSchema } from './known-streams.ts';

const jsonSchema = (schema: z.ZodType): Record<string, unknown> => {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input', target: 'draft-7' });
  return rest;
};

export const natsEventJsonSchema = jsonSchema(natsEventSchema);
export const customNatsJsonSchema = jsonSchema(customNatsSchema);

/** Of a whole `serverless.yml`, of which it knows what this product adds. */
export const serverlessJsonSchema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  type: 'object',
  properties: {
    custom: { type: 'object', properties: { nats: customNatsJsonSchema } },
    functions: {
      type: 'object',
      additionalProperties: {
        type: 'object',
        properties: { events: { type: 'array', items: { type: 'object', properties: { nats: natsEventJsonSchema } } } },
      },
    },
  },
};
