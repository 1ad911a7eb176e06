import type { EmbeddedPostgres } from '../../local/embedded-postgres.ts';
import type { LocalRedis } from '../../local/local-redis.ts';

/** What the global set-up started, for the global teardown to stop. */
export const servers: { postgres?: EmbeddedPostgres; redis?: LocalRedis; directory?: string } = {};
