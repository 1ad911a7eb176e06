import type { Migrations } from '../src/platform/migrator.ts';
import * as foundation from './0001-foundation.ts';

/** Every migration, oldest first. A migration that has been released is never edited; the next one corrects it. */
export const MIGRATIONS: Migrations = {
  '0001-foundation': foundation,
};
