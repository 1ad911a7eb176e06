import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DatabaseLogin } from './database-login.ts';
import { Secret } from './secret.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'plantao-login-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe('the password of a database that is being changed', () => {
  it('is the new one again as soon as the old one was refused, also when an older refusal of the new one comes late', () => {
    const file = path.join(folder, 'url');
    writeFileSync(file, 'postgres://plantao:primeira@db/plantao');
    const login = new DatabaseLogin(Secret.fromFile(file));
    writeFileSync(file, 'postgres://plantao:segunda-senha@db/plantao');
    // The role still has the first one.
    const [prompt, slow] = [login.begin(), login.begin()];
    login.refused(prompt);
    const before = login.begin();
    // Now the role has the second one, and the slow refusal tells of before.
    login.refused(before);
    login.refused(slow);

    expect([prompt.url, before.url]).toEqual([
      expect.stringContaining('segunda-senha'),
      expect.stringContaining('primeira'),
    ]);
    expect(login.begin().url).toContain('segunda-senha');
  });
});

describe('the way to a database over TLS', () => {
  it('stays as it was while the file of its certificate is being replaced, and is the new one after', () => {
    const file = path.join(folder, 'ca.pem');
    const url = `postgres://plantao:senha@db/plantao?sslmode=verify-full&sslrootcert=${file}`;
    const login = new DatabaseLogin(Secret.of(url));
    writeFileSync(file, 'first');
    const before = login.wayTo(url);
    rmSync(file);
    const meanwhile = login.wayTo(url);
    writeFileSync(file, 'second');

    expect(before).toMatchObject({ host: 'db', user: 'plantao', password: 'senha', ssl: { ca: 'first' } });
    expect(meanwhile).toEqual(before);
    expect(login.wayTo(url)).toMatchObject({ ssl: { ca: 'second' } });
  });

  it('is refused where its certificate was never there', () => {
    const url = `postgres://db/plantao?sslmode=verify-full&sslrootcert=${path.join(folder, 'none.pem')}`;

    expect(() => new DatabaseLogin(Secret.of(url)).wayTo(url)).toThrow('ENOENT');
  });
});
