import type { RedisConnection, RedisHealth } from '../platform/redis.ts';
import type { ConversationId } from '../vocabulary/ids.ts';
import { ConversationContext } from './conversation-context.ts';

/** Contexts in Redis, with a time to live. A miss, a broken value and a missing Redis all mean: rebuild. */
export class ContextCache {
  readonly #redis: RedisConnection;
  readonly #health: RedisHealth;
  readonly #ttlSeconds: number;

  constructor(redis: RedisConnection, health: RedisHealth, ttlSeconds: number) {
    this.#redis = redis;
    this.#health = health;
    this.#ttlSeconds = ttlSeconds;
  }

  /** The context if it contains everything up to `upTo`, else undefined. */
  async find(id: ConversationId, upTo: string): Promise<ConversationContext | undefined> {
    if (!this.#health.isUp) return undefined;
    try {
      const stored = await this.#redis.get(key(id));
      if (stored === null) return undefined;
      const read = ConversationContext.safeParse(JSON.parse(stored));
      return read.success && read.data.upTo === upTo ? read.data : undefined;
    } catch {
      return undefined;
    }
  }

  async save(id: ConversationId, context: ConversationContext): Promise<void> {
    if (!this.#health.isUp) return;
    try {
      await this.#redis.set(key(id), JSON.stringify(context), 'EX', this.#ttlSeconds);
    } catch {
      // The next turn finds it behind and rebuilds it.
    }
  }
}

function key(id: ConversationId): string {
  return `context:${id}`;
}
