/** `npm run schema`: writes the schema that editors complete `serverless.yml` from; a test says when it has to be written again. */
import { writeFileSync } from 'node:fs';
import { serverlessJsonSchema } from './event-schema.ts';

writeFileSync(new URL('serverless.schema.json', import.meta.url), `${JSON.stringify(serverlessJsonSchema)}\n`);
