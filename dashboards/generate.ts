import { writeFileSync } from 'node:fs';
import { foresailDashboard } from './foresail.ts';

writeFileSync(new URL('foresail.json', import.meta.url), `${JSON.stringify(foresailDashboard(), null, 2)}\n`);
