import { Registry, collectDefaultMetrics } from 'prom-client';

/** The one registry of this process. Every name begins with `plantao_`, every unit is a base unit. */
export const registry = new Registry();

/** Event-loop lag, memory and garbage collection of this process, under our prefix. */
export function collectProcessMetrics(): void {
  collectDefaultMetrics({ register: registry, prefix: 'plantao_' });
}

/** Bounds, in seconds, for what people wait for: from a millisecond to a minute. */
export const LATENCY_BUCKETS_SECONDS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
