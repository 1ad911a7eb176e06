import { it } from '@jest/globals';
import { findRedisServer } from '../../local/local-redis.ts';

/** A fact that not every machine can show: where something is missing, the title says what, and the fact is skipped. */
export function itWhere(missing: string | undefined, title: string, fact: () => Promise<void>): void {
  if (missing === undefined) it(title, fact);
  else it.skip(`${title} (skipped: ${missing})`, fact);
}

const HAS_REDIS_SERVER = findRedisServer() !== undefined;

/** The JavaScript Redis cannot be frozen without freezing what speaks for it, and keeps nothing. */
export function whyNoRedisServer(): string | undefined {
  return HAS_REDIS_SERVER ? undefined : 'no redis-server or valkey-server on PATH';
}
