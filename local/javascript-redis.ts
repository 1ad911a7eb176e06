import { createRedisServer } from 'js-redis-server';

/**
 * The Redis of last resort, in a process of its own so that its work does not stall anybody's event loop.
 *
 * Usage: javascript-redis.ts <port>. It ends with the process that started it.
 */
const server = await createRedisServer({ port: Number(process.argv[2]) });

const end = (): void => {
  void server.close().finally(() => process.exit(0));
};
process.on('SIGTERM', end);
process.on('SIGINT', end);
process.on('disconnect', end);
