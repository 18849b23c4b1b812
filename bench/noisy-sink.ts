import { createServer } from 'node:http';

/* Reads what it is sent and answers 204, for bench/noisy-neighbour.ts: what a flood's sender takes from the machine alone. */
const server = createServer((request, response) => {
  request.resume().on('end', () => response.writeHead(204).end());
});
server.listen(Number(process.argv[2]), '127.0.0.1');
process.on('SIGTERM', () => process.exit());
