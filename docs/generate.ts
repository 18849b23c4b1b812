import { writeFileSync } from 'node:fs';
import { referencePages } from './reference-pages.ts';

for (const [file, text] of Object.entries(await referencePages())) {
  writeFileSync(new URL(`reference/${file}`, import.meta.url), text);
}
