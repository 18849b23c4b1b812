import express, { type NextFunction, type RequestHandler } from 'express';

/**
 * Reads the body as text, whatever type it says it has. One that is too long is refused once that is known, and not
 * read to its end first: what is left of it is for the error handler.
 */
export function textBody(maxBytes: number): RequestHandler {
  const read = express.text({ type: () => true, limit: maxBytes });
  return (request, response, next) => {
    let isTold = false;
    const tell: NextFunction = (error?: unknown) => {
      if (isTold) return;
      isTold = true;
      next(error);
    };
    const { 'content-length': length, 'content-encoding': encoding } = request.headers;
    // Packed bodies are a little longer than what is in them at most; express sees to what they unpack to.
    const most = encoding === undefined ? maxBytes : 2 * maxBytes;
    if (Number(length) > most) return tell(tooLong());
    let received = 0;
    request.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (received > most) tell(tooLong());
    });
    read(request, response, tell);
  };
}

/** As express's own readers say it. */
function tooLong(): Error {
  return Object.assign(new Error('request entity too large'), { status: 413 });
}
