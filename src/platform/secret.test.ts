import { mkdtempSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Secret } from './secret.ts';

describe('a secret', () => {
  it('is revealed when asked, and in no other way', () => {
    const secret = Secret.of('senha-secreta');

    const printed = [String(secret), JSON.stringify({ secret }), inspect({ secret }), secret.toString()];

    expect(secret.reveal()).toBe('senha-secreta');
    for (const text of printed) expect(text).not.toContain('senha');
    expect(Object.values(secret)).toEqual([]);
  });
});

describe('a secret from a file', () => {
  let directory: string;
  let file: string;

  beforeEach(() => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'plantao-secret-'));
    file = path.join(directory, 'senha');
    writeFileSync(file, 'primeira\n');
  });

  afterEach(() => {
    jest.restoreAllMocks();
    rmSync(directory, { recursive: true });
  });

  /** Moves the clock of the process, which decides when a file is looked at again. */
  function secondsPass(seconds: number): void {
    const now = performance.now();
    jest.spyOn(performance, 'now').mockReturnValue(now + seconds * 1_000);
  }

  function rotate(value: string): void {
    writeFileSync(file, value);
    const later = new Date(Date.now() + 5_000);
    utimesSync(file, later, later);
  }

  it('is the file’s text without the line end', () => {
    expect(Secret.fromFile(file).reveal()).toBe('primeira');
  });

  it('follows the file, a second later at most', () => {
    const secret = Secret.fromFile(file);
    rotate('segunda');

    expect(secret.reveal()).toBe('primeira');
    secondsPass(1.1);
    expect(secret.reveal()).toBe('segunda');
  });

  it('keeps its last good value while the file is away or empty', () => {
    const secret = Secret.fromFile(file);

    rotate('');
    secondsPass(2);
    expect(secret.reveal()).toBe('primeira');
    rmSync(file);
    secondsPass(4);
    expect(secret.reveal()).toBe('primeira');
    rotate('terceira');
    secondsPass(6);
    expect(secret.reveal()).toBe('terceira');
  });

  it('keeps its last good value while the file holds what cannot be used, and remembers the one before', () => {
    const secret = Secret.fromFile(file);
    expect(secret.mustBe((value) => value.length > 5)).toBe(true);

    rotate('x');
    expect(secret.revealNow()).toBe('primeira');
    rotate('segunda');
    expect(secret.revealNow()).toBe('segunda');
    expect(secret.revealPrevious()).toBe('primeira');
  });

  it('follows a file that was replaced by one of the same size and time, as tools that copy times do', () => {
    const { atime, mtime } = statSync(file);
    const secret = Secret.fromFile(file);
    writeFileSync(`${file}.next`, 'terceira\n');
    utimesSync(`${file}.next`, atime, mtime);
    renameSync(`${file}.next`, file);

    expect(secret.revealNow()).toBe('terceira');
  });

  it('that cannot be read is found out at once', () => {
    expect(() => Secret.fromFile(path.join(directory, 'no-such-file'))).toThrow();
  });
});
