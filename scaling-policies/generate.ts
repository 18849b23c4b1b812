import { writeFileSync } from 'node:fs';
import { policySchema } from './schema.ts';

writeFileSync(new URL('policy.schema.json', import.meta.url), `${JSON.stringify(policySchema(), null, 2)}\n`);
