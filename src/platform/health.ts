import type { Request, Response, Router } from 'express';
import express from 'express';
import { metricsOfAll } from './forked-metrics.ts';
import { registry } from './metrics.ts';
import { monotonicMs } from './time.ts';

export interface HealthChecks {
  /** Proves that the database answers; called at most every {@link CACHE_MS}. Its rejection means not ready. */
  readonly database: () => Promise<unknown>;
  /** What an operator wants to see beside the answer, e.g. whether Redis is away. Never decides readiness. */
  readonly detail: () => Record<string, unknown>;
}

/** Probes come from many sides; the database is asked once for all of them. */
const CACHE_MS = 1_000;

/** `/livez`, `/readyz`, `/startupz` and `/metrics`, the same for every process. */
export class Health {
  readonly #checks: HealthChecks;
  #started = false;
  #draining = false;
  #databaseUp = false;
  #impairedUntil = -Infinity;
  #checkedAt = -Infinity;

  constructor(checks: HealthChecks) {
    this.#checks = checks;
  }

  /** From now on the process may be given work. */
  started(): void {
    this.#started = true;
  }

  /** For so long the process is of no use, although its database answers, e.g. because that has no room left. */
  impairedFor(ms: number): void {
    this.#impairedUntil = monotonicMs() + ms;
  }

  /** From now on the process asks to be left out: it finishes what it has. */
  draining(): void {
    this.#draining = true;
  }

  routes(): Router {
    const router = express.Router();
    // Alive means that the event loop turns. Asking a dependency here would turn its outage into a restart storm.
    router.get('/livez', (_req, res) => {
      res.json({ status: 'alive' });
    });
    router.get('/startupz', (_req, res) => {
      res.status(this.#started ? 200 : 503).json({ status: this.#started ? 'started' : 'starting' });
    });
    router.get('/readyz', async (req, res) => {
      await this.#ready(req, res);
    });
    router.get('/metrics', async (_req, res) => {
      res.type(registry.contentType).send(await metricsOfAll());
    });
    return router;
  }

  async #ready(_req: Request, res: Response): Promise<void> {
    const databaseUp = (await this.#isDatabaseUp()) && monotonicMs() >= this.#impairedUntil;
    const ready = this.#started && !this.#draining && databaseUp;
    res.status(ready ? 200 : 503).json({
      status: this.#draining ? 'draining' : ready ? 'ready' : 'not-ready',
      database: databaseUp ? 'up' : 'down',
      ...this.#checks.detail(),
    });
  }

  async #isDatabaseUp(): Promise<boolean> {
    if (monotonicMs() - this.#checkedAt < CACHE_MS) return this.#databaseUp;
    this.#databaseUp = await this.#checks.database().then(
      () => true,
      () => false,
    );
    this.#checkedAt = monotonicMs();
    return this.#databaseUp;
  }
}
