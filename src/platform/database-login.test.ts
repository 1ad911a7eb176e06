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
