/**
 * What clients of InfluxDB 1 ask before they write: to make a database, or which there are. Here a database is a label,
 * which needs no making.
 * @returns Undefined where it is another statement.
 */
export function databaseAnswer(statement: string): object | undefined {
  const words = statement.trim().replace(/;$/, '').toLowerCase();
  if (/^create database\s+\S/.test(words)) return { results: [{ statement_id: 0 }] };
  if (!/^show databases$/.test(words)) return undefined;
  return { results: [{ statement_id: 0, series: [{ name: 'databases', columns: ['name'], values: [] }] }] };
}
