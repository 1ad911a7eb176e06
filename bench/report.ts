/** One number that was promised, and what it came to. */
export interface Finding {
  readonly number: string;
  readonly measured: string;
  readonly target: string;
  readonly isReached: boolean;
}

export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface Section {
  readonly title: string;
  readonly tables: readonly Table[];
  readonly notes: readonly string[];
  readonly findings: readonly Finding[];
  /** What was sent and did not come out exactly as it should. One is enough to fail the bench. */
  readonly problems: readonly string[];
}

/** The value that this share of the values does not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

export function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
}

export function printSection(section: Section): void {
  console.log(`\n${section.title}`);
  for (const table of section.tables) printTable(table);
  for (const note of section.notes) console.log(`  ${note}`);
  for (const problem of section.problems) console.log(`  NOT VERIFIED: ${problem}`);
}

export function printFindings(findings: readonly Finding[]): void {
  const rows = findings.map((it) => [it.number, it.measured, it.target, it.isReached ? 'yes' : 'no']);
  console.log('\nNumbers');
  printTable({ head: ['number', 'measured', 'target', 'reached'], rows });
}

/** The first column is text, the others are figures. */
export function printTable({ head, rows }: Table): void {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  for (const row of all) {
    const cells = row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
    console.log(`  ${cells.join('  ')}`);
  }
}
