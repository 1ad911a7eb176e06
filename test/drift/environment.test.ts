import { describe, expect, it } from '@jest/globals';
import { loadConfig, ServiceEnvironment, VARIABLES, WorkerEnvironment } from '../../src/config.ts';
import { read, section, tableRows } from './project.ts';

interface Setting {
  readonly name: string;
  readonly value: string;
  readonly comment: string;
}

const REQUIRED = {
  DATABASE_URL: 'postgres://plantao@localhost/plantao',
  REDIS_URL: 'redis://localhost',
  MASTER_KEY: Buffer.alloc(32).toString('base64'),
  ADMIN_API_KEY: 'k'.repeat(32),
};

const lines = read('.env.example').split('\n');
const settings: readonly Setting[] = lines.flatMap((line, index) => {
  const [, name, value] = /^#?([A-Z_]+)=(.*)$/.exec(line) ?? [];
  return name === undefined || value === undefined ? [] : [{ name, value, comment: lines[index - 1] ?? '' }];
});

describe('.env.example', () => {
  it('names every variable that is read, once, and no other', () => {
    expect(settings.map(({ name }) => name).toSorted()).toEqual([...VARIABLES].toSorted());
  });

  it('says about each what it is for', () => {
    expect(settings.filter(({ comment }) => !/^# \S.*\.$/.test(comment))).toEqual([]);
  });

  it('shows the defaults as they are: using it changes nothing', () => {
    const shown = Object.fromEntries(settings.map(({ name, value }) => [name, value]));

    for (const environment of [ServiceEnvironment, WorkerEnvironment]) {
      const plain = JSON.stringify(loadConfig<unknown>(environment, REQUIRED));
      expect(JSON.stringify(loadConfig<unknown>(environment, { ...shown, ...REQUIRED }))).toBe(plain);
    }
  });

  it('is the file for which nothing else is wrong than that the required values are missing', () => {
    const shown = Object.fromEntries(settings.map(({ name, value }) => [name, value]));
    const missing = Object.keys(REQUIRED).map((name) => `  - ${name} is required`);

    const problems = () => loadConfig<unknown>(ServiceEnvironment, shown);

    expect(problems).toThrow(['The environment is not usable:', ...missing.toSorted(byDeclaration)].join('\n'));
  });
});

describe('the settings in the README', () => {
  const rows = tableRows(section(read('README.md'), '## Settings'));

  it('are those that are read', () => {
    expect(rows.map(([name]) => name).toSorted()).toEqual([...VARIABLES].toSorted());
  });

  it('have the defaults of .env.example', () => {
    const shown = new Map(settings.map(({ name, value }) => [name, value === '' ? '–' : value]));
    const wrong = rows.filter(([name = '', value]) => value !== shown.get(name) && !(name in REQUIRED));

    expect(wrong).toEqual([]);
    expect(rows.filter(([, value]) => value === 'required').map(([name]) => name)).toEqual(Object.keys(REQUIRED));
  });
});

function byDeclaration(left: string, right: string): number {
  const place = (line: string): number => VARIABLES.findIndex((name) => line.includes(`${name} `));
  return place(left) - place(right);
}
