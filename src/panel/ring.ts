import type { Logger } from '../platform/logger.ts';

/**
 * Rings a bell after what it is about was committed. A bell that cannot be rung fails nothing: the work is recorded, and
 * the sweepers find it.
 */
export async function ring(log: Logger, bell: () => Promise<unknown>): Promise<void> {
  try {
    await bell();
  } catch (error) {
    log.warn({ err: error }, 'A bell could not be rung; the sweeper will find the work');
  }
}
