import { messageOf } from './api.ts';

/** The lines of a watch, as they come. */
export async function* linesOf(parts: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const part of parts) {
    rest += decoder.decode(part, { stream: true });
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      yield rest.slice(0, end);
      rest = rest.slice(end + 1);
    }
  }
  if (rest.trim() !== '') yield rest;
}

/** What a line of a refused watch says. */
export function messageIn(line: string, status: number): string {
  try {
    return messageOf({ status, body: JSON.parse(line) });
  } catch {
    return messageOf({ status, body: null });
  }
}
