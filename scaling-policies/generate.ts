import { writeFileSync } from 'node:fs';
import { policyDefinitionFile } from './crd.ts';
import { policySchema } from './schema.ts';

writeFileSync(new URL('policy.schema.json', import.meta.url), `${JSON.stringify(policySchema(), null, 2)}\n`);
writeFileSync(new URL('../deploy/helm/foresail/files/scalingpolicies.yaml', import.meta.url), policyDefinitionFile());
