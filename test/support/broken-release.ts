import { registerHooks } from 'node:module';

/*
 * Loaded before `migrations/command.ts` (`--import`), this makes it the command of a release whose second migration cannot
 * work: the first one adds a column to a table that is in use, the second one asks for what is not there.
 */
const BROKEN = `
Object.assign(MIGRATIONS, {
  '9998-adds-a-column': { up: (db) => db.schema.alterTable('message').addColumn('next_release', 'text').execute() },
  '9999-cannot-work': { up: (db) => db.schema.alterTable('message').dropColumn('never_there').execute() },
});
`;

registerHooks({
  load: (url, context, nextLoad) => {
    const loaded = nextLoad(url, context);
    if (!url.endsWith('/migrations/migrations.ts')) return loaded;
    return { ...loaded, source: `${Buffer.from(loaded.source as Uint8Array).toString()}${BROKEN}` };
  },
});
