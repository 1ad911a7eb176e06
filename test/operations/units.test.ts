import { execFileSync } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { VARIABLES } from '../../src/config.ts';
import { exists, projectFiles, read } from '../drift/project.ts';
import { itWhere } from '../support/it-where.ts';
import { whyNo } from '../support/on-path.ts';

const FOLDER = 'deploy/systemd';
const files = projectFiles().flatMap((file) => (path.dirname(file) === FOLDER ? [path.basename(file)] : []));
const units = files.filter((file) => file.endsWith('.service'));
const timers = files.filter((file) => file.endsWith('.timer'));
/** Of ten, as systemd counts: below two it calls a unit well protected. */
const EXPOSURE_MAX = 2;

function values(unit: string, key: string): readonly string[] {
  return [...read(`${FOLDER}/${unit}`).matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value);
}

describe('the units of deploy/systemd', () => {
  it('start programs that are there', () => {
    const programs = units.flatMap((unit) => values(unit, 'ExecStart').flatMap((it) => /\S+\.ts/.exec(it) ?? []));

    expect([...new Set(programs)].toSorted()).toEqual([
      'backup/command.ts',
      'migrations/command.ts',
      'src/main.ts',
      'workers/main.ts',
    ]);
    expect(programs.filter((program) => !exists(program))).toEqual([]);
  });

  it('set no variable that is not read, and read secrets where they are changed', () => {
    const own = ['NODE_ENV', 'NODE_COMPILE_CACHE', 'TMPDIR'];
    const wrong = units.flatMap((unit) =>
      values(unit, 'Environment')
        .flatMap((line) => line.split(' '))
        .flatMap((setting) => {
          const [name = '', value = ''] = setting.split('=');
          const isKnown = own.includes(name) || VARIABLES.includes(name.replace(/_FILE$/, ''));
          const isFollowed = !name.endsWith('_FILE') || value.startsWith('/etc/plantao/secrets/');
          return isKnown && isFollowed ? [] : [`${unit}: ${setting}`];
        }),
    );

    expect(wrong).toEqual([]);
    // A copy of the start: a rotated secret would need another.
    expect(units.filter((unit) => values(unit, 'LoadCredential').length > 0)).toEqual([]);
  });

  it('let a process end by itself, and do not repeat what cannot work', () => {
    const lasting = units.filter((unit) => values(unit, 'Type').join() === 'exec');

    expect(lasting).toEqual(['plantao-backup-wal.service', 'plantao-service.service', 'plantao-worker@.service']);
    for (const unit of lasting) {
      expect([unit, ...values(unit, 'TimeoutStopSec')]).toEqual([unit, '30s']);
      expect([unit, ...values(unit, 'Restart')]).toEqual([unit, 'always']);
      expect([unit, ...values(unit, 'RestartPreventExitStatus')]).toEqual([unit, '78']);
    }
    for (const unit of lasting.filter((it) => !it.includes('backup'))) {
      // Required, it would take them down with it when a migration fails.
      expect([unit, ...values(unit, 'Requires')]).toEqual([unit]);
      expect([unit, ...values(unit, 'After')].join()).toContain('plantao-migrate.service');
    }
  });

  it('listen for a proxy of the same machine, and for nobody else', () => {
    for (const unit of ['plantao-service.service', 'plantao-worker@.service']) {
      expect([unit, ...values(unit, 'Environment')].join(' ')).toContain('HOST=127.0.0.1');
    }
  });

  it('take a base backup every day and prove one every week', () => {
    const when = timers.map((timer) => [timer, ...values(timer, 'OnCalendar'), ...values(timer, 'Persistent')]);

    expect(when).toEqual([
      ['plantao-backup-verify.timer', 'Sun *-*-* 05:10:00', 'true'],
      ['plantao-backup.timer', '*-*-* 03:10:00', 'true'],
    ]);
    expect(timers.filter((timer) => !units.includes(timer.replace('.timer', '.service')))).toEqual([]);
  });
});

describe('what systemd says of the units', () => {
  let directory = '';

  beforeEach(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'plantao-units-'));
    for (const unit of [...units, ...timers]) {
      await copyFile(path.join(FOLDER, unit), path.join(directory, unit));
      // This machine may have its Node elsewhere.
      const text = await readFile(path.join(directory, unit), 'utf8');
      await writeFile(path.join(directory, unit), text.replace('/usr/bin/node', process.execPath));
    }
  });

  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  const placed = (): string[] => units.map((unit) => path.join(directory, unit.replace('@.', '@8091.')));
  const analyze = (command: string, ...more: string[]): string =>
    execFileSync('systemd-analyze', [command, ...more], {
      encoding: 'utf8',
      env: { ...process.env, SYSTEMD_UNIT_PATH: `${directory}:`, SYSTEMD_LOG_LEVEL: 'warning' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });

  itWhere(whyNo('systemd-analyze'), 'is nothing: it understands every line', async () => {
    await copyFile(
      path.join(directory, 'plantao-worker@.service'),
      path.join(directory, 'plantao-worker@8091.service'),
    );

    const all = [...placed(), ...timers.map((timer) => path.join(directory, timer))];
    expect(analyze('verify', '--man=no', '--recursive-errors=no', ...all)).toBe('');
  });

  itWhere(whyNo('systemd-analyze'), 'is that little is exposed', async () => {
    await copyFile(
      path.join(directory, 'plantao-worker@.service'),
      path.join(directory, 'plantao-worker@8091.service'),
    );
    const scores = placed().map((file) => {
      const said = analyze('security', '--offline=true', file);
      return Number(/Overall exposure level for \S+: ([\d.]+)/.exec(said)?.[1]);
    });

    expect(scores.filter((score) => !(score < EXPOSURE_MAX))).toEqual([]);
  });
});
