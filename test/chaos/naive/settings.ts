import { z } from 'zod';

/** What the naive pipeline's processes read from their environment. */
const Environment = z.object({
  DATABASE_URL: z.string(),
  REDIS_URL: z.string(),
  PORT: z.coerce.number(),
  MODEL_URL: z.url(),
  MODEL_KEY: z.string(),
  CHANNELS: z
    .string()
    .transform((text) => JSON.parse(text) as unknown)
    .pipe(z.record(z.string(), z.object({ secret: z.string(), token: z.string(), gateway: z.url() }))),
});

export const settings = Environment.parse(process.env);

export const QUEUE = 'answer';

/** One message, whole, in the queue. */
export const Job = z.object({ id: z.string(), channel: z.string(), phone: z.string(), text: z.string() });
export type Job = z.infer<typeof Job>;

/** A queue that is away must not hold the webhooks for ever. */
export const REDIS_OPTIONS = { maxRetriesPerRequest: 1, commandTimeout: 2_000, enableOfflineQueue: false };
export const POOL_OPTIONS = { connectionString: settings.DATABASE_URL, max: 10, query_timeout: 5_000 };
