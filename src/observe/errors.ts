import { CodedError } from '../model/errors.ts';

/** Public holidays are asked for, and the package that knows them is not installed. */
export class HolidaysUnavailableError extends CodedError {
  override readonly name = 'HolidaysUnavailableError';
  readonly code = 'holidays_unavailable';

  constructor(region: string, options?: ErrorOptions) {
    const remedy = 'run npm install date-holidays, or name an iCal file under forecast.calendars';
    super(`cannot tell the holidays of ${region}: the package date-holidays is not installed: ${remedy}`, options);
  }
}

/** A policy names a region that has no holidays. */
export class UnknownRegionError extends CodedError {
  override readonly name = 'UnknownRegionError';
  readonly code = 'unknown_region';
}

/** An iCal file cannot be read as one. The message names the file and the line. */
export class CalendarFileError extends CodedError {
  override readonly name = 'CalendarFileError';
  readonly code = 'bad_calendar_file';
  readonly line: number;

  constructor(file: string, line: number, why: string, options?: ErrorOptions) {
    super(`cannot read ${file}${line > 0 ? `:${line}` : ''}: ${why}`, options);
    this.line = line;
  }
}
