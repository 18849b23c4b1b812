import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { generate } from 'selfsigned';
import { SMTPServer } from 'smtp-server';

/** What a local server was sent. */
export interface Taken {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface Sink extends AsyncDisposable {
  readonly port: number;
  readonly taken: readonly Taken[];
}

/** What a webhook does with the so-manieth request, from 0. */
export type Manner = (request: Taken, response: ServerResponse, nth: number) => void;

const take: Manner = (_request, response) => void response.end('ok');

/** A local HTTP server that keeps what it is sent. */
export async function openSink(manner: Manner = take, withTls = false): Promise<Sink> {
  const taken: Taken[] = [];
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')));
    request.on('end', () => {
      const one = { path: request.url ?? '', headers: request.headers, body };
      taken.push(one);
      manner(one, response, taken.length - 1);
    });
  };
  const pair = withTls ? await selfSigned() : undefined;
  const server = pair === undefined ? createServer(answer) : createTlsServer(pair, answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    taken,
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function selfSigned(): Promise<{ readonly key: string; readonly cert: string }> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }], { keySize: 2048 });
  return { key, cert };
}

export interface Mails extends AsyncDisposable {
  readonly port: number;
  readonly mails: readonly { readonly to: readonly string[]; readonly text: string; readonly secure: boolean }[];
}

/**
 * A local mail server, which offers STARTTLS with a certificate of its own.
 * @param refuse A code of SMTP for the so-manieth mail; undefined: it is taken.
 */
export async function openMails(
  { user, password }: { readonly user: string; readonly password: string },
  refuse: (nth: number) => number | undefined = () => undefined,
): Promise<Mails> {
  const mails: { to: string[]; text: string; secure: boolean }[] = [];
  let asked = 0;
  const server = new SMTPServer({
    ...(await selfSigned()),
    onAuth: (auth, _session, done) =>
      auth.username === user && auth.password === password
        ? done(null, { user })
        : done(Object.assign(new Error('who are you'), { responseCode: 535 })),
    onData(stream, session, done) {
      let text = '';
      stream.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
      stream.on('end', () => {
        const code = refuse(asked++);
        if (code !== undefined) return done(Object.assign(new Error('not now'), { responseCode: code }));
        mails.push({ to: session.envelope.rcptTo.map(({ address }) => address), text, secure: session.secure });
        done();
      });
    },
  });
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    mails,
    port: (server.server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}
