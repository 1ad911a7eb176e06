import { z } from 'zod';
import { median } from '../bench/report.ts';
import { pause } from '../src/platform/time.ts';

/** The most that was seen in a run, of what says where a limit is near. */
export const Peaks = z.object({
  /** Connections in use, and callers that waited for one, by pool. */
  poolUsed: z.record(z.string(), z.number()),
  poolWaiting: z.record(z.string(), z.number()),
  /** The median, by process: one bad second is no alert, which wants five minutes of them. */
  eventLoopLagSeconds: z.record(z.string(), z.number()),
  inboxOldestSeconds: z.number(),
  outboxOldestSeconds: z.number(),
  residentMb: z.record(z.string(), z.number()),
});
export type Peaks = z.infer<typeof Peaks>;

const LOOK_EVERY_MS = 1_000;
const MEGABYTE = 1_048_576;

/** Looks at the product's own metrics every second, until it is stopped. */
export class Gauges {
  readonly #addresses: ReadonlyMap<string, string>;
  readonly #stopping = new AbortController();
  readonly #watching: Promise<void>;
  #seen = new Seen();

  constructor(addresses: ReadonlyMap<string, string>) {
    this.#addresses = addresses;
    this.#watching = this.#watch();
  }

  /** The peaks since this was last asked. */
  take(): Peaks {
    const { peaks } = this.#seen;
    this.#seen = new Seen();
    return peaks;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      await Promise.all([...this.#addresses].map(([name, url]) => this.#look(name, url)));
      await pause(LOOK_EVERY_MS);
    }
  }

  async #look(name: string, url: string): Promise<void> {
    let text: string;
    try {
      text = await (await fetch(url, { signal: AbortSignal.timeout(5_000) })).text();
    } catch {
      // A process that is too busy to tell is seen by the waits of its customers.
      return;
    }
    this.#seen.note(name, text);
  }
}

/** What was read of the product's metrics. */
export class Seen {
  readonly #peaks: Omit<Peaks, 'eventLoopLagSeconds'> = {
    poolUsed: {},
    poolWaiting: {},
    inboxOldestSeconds: 0,
    outboxOldestSeconds: 0,
    residentMb: {},
  };
  readonly #lags = new Map<string, number[]>();

  get peaks(): Peaks {
    const lags = [...this.#lags].map(([name, values]) => [name, median(values)] as const);
    return { ...this.#peaks, eventLoopLagSeconds: Object.fromEntries(lags) };
  }

  /** @param text in Prometheus' format, of this process. */
  note(name: string, text: string): void {
    const peaks = this.#peaks;
    const used: Record<string, number> = {};
    for (const { metric, labels, value } of seriesIn(text)) {
      const pool = labels.pool ?? '';
      switch (metric) {
        case 'plantao_db_pool_connections':
          used[pool] = (used[pool] ?? 0) + (labels.state === 'idle' ? -value : value);
          break;
        case 'plantao_db_pool_waiting':
          raise(peaks.poolWaiting, pool, value);
          break;
        case 'plantao_nodejs_eventloop_lag_p99_seconds':
          this.#lags.set(name, [...(this.#lags.get(name) ?? []), value]);
          break;
        case 'plantao_inbox_oldest_unprocessed_seconds':
          peaks.inboxOldestSeconds = Math.max(peaks.inboxOldestSeconds, value);
          break;
        case 'plantao_outbox_oldest_pending_seconds':
          peaks.outboxOldestSeconds = Math.max(peaks.outboxOldestSeconds, value);
          break;
        case 'plantao_process_resident_memory_bytes':
          raise(peaks.residentMb, name, value / MEGABYTE);
      }
    }
    for (const [pool, connections] of Object.entries(used)) raise(peaks.poolUsed, pool, connections);
  }
}

function raise(peaks: Record<string, number>, key: string, value: number): void {
  peaks[key] = Math.max(peaks[key] ?? 0, value);
}

interface Series {
  readonly metric: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

function* seriesIn(text: string): Generator<Series> {
  for (const [, metric = '', labels = '', value] of text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)) {
    const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = '', word = '']) => [name, word] as const);
    yield { metric, labels: Object.fromEntries(pairs), value: Number(value) };
  }
}
