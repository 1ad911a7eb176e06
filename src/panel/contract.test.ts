import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { OPERATIONS } from './contract.ts';
import { openApiDocument } from './openapi.ts';
import { PanelTown } from '../../test/support/panel-town.ts';

let database: TestDatabase;
let town: PanelTown;

beforeAll(async () => {
  database = await createTestDatabase();
  town = new PanelTown(database.db);
});

afterAll(async () => {
  await database.close();
});

describe('the contract', () => {
  it('names every operation once, by id and by address', () => {
    const ids = OPERATIONS.map((it) => it.id);
    const addresses = OPERATIONS.map((it) => `${it.method} ${it.path}`);

    expect(new Set(ids).size).toBe(OPERATIONS.length);
    expect(new Set(addresses).size).toBe(OPERATIONS.length);
  });

  it('and the routes are the same set', () => {
    expect(town.routes().toSorted()).toEqual(OPERATIONS.map((it) => it.id).toSorted());
  });

  it.each(OPERATIONS.map((it) => [`${it.method.toUpperCase()} ${it.path}`, it] as const))(
    'is what answers at %s',
    async (_address, operation) => {
      const address = operation.path.replaceAll(/\{\w+\}/g, '6f2c4a3e-0f0e-4a8e-9c53-9d8a8b0d8c11');

      const answer = await request(new PanelTown(database.db).app)[operation.method](address);

      // Everything but the public document asks for a key first: an address without a route would say 404 or 405.
      expect(answer.status).toBe(operation.access.to === 'everyone' ? 200 : 401);
    },
  );
});

describe('the OpenAPI document', () => {
  it('is public and is the one made from the contract', async () => {
    const answer = await request(town.app).get('/api/v1/openapi.json');

    expect(answer.body).toEqual(JSON.parse(JSON.stringify(openApiDocument())));
    expect(answer.body).toMatchObject({ openapi: '3.1.0' });
  });

  it('is checked in as it is (node src/panel/openapi-command.ts)', () => {
    const file = path.join(import.meta.dirname, '../../docs/openapi.json');

    expect(readFileSync(file, 'utf8')).toBe(`${JSON.stringify(openApiDocument(), undefined, 2)}\n`);
  });

  it('declares each parameter of each path', () => {
    const { paths } = openApiDocument() as {
      paths: Record<string, Record<string, { parameters: { name: string; in: string }[] }>>;
    };
    const undeclared = Object.entries(paths).flatMap(([address, operations]) =>
      Object.values(operations).flatMap(({ parameters }) => {
        const declared = parameters.filter((it) => it.in === 'path').map((it) => it.name);
        return [...address.matchAll(/\{(\w+)\}/g)].filter(([, name = '']) => !declared.includes(name));
      }),
    );

    expect(undeclared).toEqual([]);
  });
});
