// Preloaded before the program (node --import shifted-clock.mjs?file=PATH): its clock is off by the milliseconds that
// stand in the file, and jumps when they change.
import { readFileSync } from 'node:fs';

const file = new URL(import.meta.url).searchParams.get('file');
const now = Date.now;
let offset = 0;
const look = () => {
  try {
    offset = Number(readFileSync(file, 'utf8'));
  } catch {
    // Not written yet.
  }
};
look();
setInterval(look, 50).unref();
Date.now = () => now() + offset;
