import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { z } from 'zod';

/** What must be the same at every start: keys that data is sealed with, and the demo's own secrets. */
export const LocalState = z.object({
  masterKey: z.string(),
  adminApiKey: z.string(),
  gatewayToken: z.string(),
  webhookSecret: z.string(),
});
export type LocalState = z.infer<typeof LocalState>;

/**
 * The state of this folder's installation, made on the first start and kept readable for its owner only.
 *
 * @throws when the file is there and cannot be read: going on with new keys would make the old data unreadable.
 */
export function openState(file: string): LocalState {
  if (fs.existsSync(file)) {
    const read = LocalState.safeParse(JSON.parse(fs.readFileSync(file, 'utf8')));
    if (!read.success)
      throw new Error(`${file} is damaged. Restore it, or move the folder it is in away to begin anew.`);
    return read.data;
  }
  const state: LocalState = {
    masterKey: randomBytes(32).toString('base64'),
    adminApiKey: `plantao-admin-${randomBytes(32).toString('base64url')}`,
    gatewayToken: randomBytes(24).toString('base64url'),
    webhookSecret: randomBytes(32).toString('base64url'),
  };
  // Whole or not at all: half a file after a power cut would be a lost master key.
  fs.writeFileSync(`${file}.new`, JSON.stringify(state, undefined, 2), { mode: 0o600, flush: true });
  fs.renameSync(`${file}.new`, file);
  return state;
}
