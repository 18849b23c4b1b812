import { writeFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import { fileTrouble } from '../read-text.ts';
import { UsageError } from '../usage-error.ts';
import type { Report } from './report.ts';
import { reportPage } from './report-page.ts';
import { reportSvg } from './report-svg.ts';

/** The file of a report: its ending says what it is to be. */
export function parseReportFile(text: string): string {
  if (/\.(html?|svg)$/i.test(text)) return text;
  throw new InvalidArgumentError('expected a file that ends in .html or .svg');
}

/** Writes a page or an image, by the file's ending. @throws {UsageError} If the file cannot be written. */
export function writeReport(file: string, report: Report): void {
  try {
    writeFileSync(file, file.toLowerCase().endsWith('.svg') ? reportSvg(report) : reportPage(report));
  } catch (error) {
    throw new UsageError(`cannot write ${file}: ${fileTrouble(error)}`, { cause: error });
  }
}
