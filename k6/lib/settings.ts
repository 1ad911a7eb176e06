/** What a script is told with `-e`. `npm run load -- stage` prints all of it. */
type Name = 'BASE_URL' | 'CHANNEL_ID' | 'SECRET' | 'SINK_URL';

export function setting(name: Name): string {
  const value = __ENV[name];
  if (value === undefined || value === '') throw new Error(`Give ${name}: k6 run -e ${name}=… (see k6/README.md)`);
  return value;
}

export function minutes(): string | undefined {
  return __ENV.MINUTES;
}

const LETTERS = '0123456789abcdefghijklmnopqrstuvwxyz';

/** Four letters or digits for this run. */
export function newRun(): string {
  return Array.from({ length: 4 }, () => LETTERS[Math.floor(Math.random() * LETTERS.length)] ?? '0').join('');
}
