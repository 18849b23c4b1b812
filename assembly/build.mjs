/** Compiles this folder to `dist/assembly/core.wasm`, unless the same compiler made that of the same files. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const made = at('../dist/assembly/core.wasm');
const note = at('../dist/assembly/made-of.txt');

const hash = createHash('sha256').update(readFileSync(at('../node_modules/assemblyscript/package.json')));
for (const file of readdirSync(at('.')).sort()) hash.update(`\0${file}\0`).update(readFileSync(at(file)));
const sources = hash.digest('hex');
if (!existsSync(made) || !existsSync(note) || readFileSync(note, 'utf8') !== `${sources} ${hashOf(made)}\n`) {
  const { main } = await import('assemblyscript/asc');
  const { error } = await main(['assembly/index.ts', '--config', 'assembly/asconfig.json', '--baseDir', at('..')], {
    stdout: process.stdout,
    stderr: process.stderr,
  });
  if (error === null) writeFileSync(note, `${sources} ${hashOf(made)}\n`);
  else process.exitCode = 1;
}

function hashOf(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
