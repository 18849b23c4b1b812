import { type DestinationStream, destination, pino } from 'pino';

/** Structured logs: messages are constant texts, all that varies is in the keys. */
export interface Logger {
  debug(data: object, message: string): void;
  info(data: object, message: string): void;
  warn(data: object, message: string): void;
  error(data: object, message: string): void;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** A logger that writes lines of JSON, by default to standard error, synchronously: the last line before a crash counts most. */
export function createLogger(level: LogLevel, stream: DestinationStream = destination({ fd: 2, sync: true })): Logger {
  return pino({ level, base: {}, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: levelName } }, stream);
}

function levelName(level: string): object {
  return { level };
}
