import { createHash } from 'node:crypto';
import type { Client } from 'pg';
import { pause } from '../../src/platform/time.ts';
import { openSession } from '../database-session.ts';

export interface Marker {
  readonly n: number;
  readonly hash: string;
}

/** A marker, and when the database says that it was committed. */
export interface CommittedMarker extends Marker {
  /** In milliseconds since 1970, to the microsecond: a marker beside the target falls on the side on which it was. */
  readonly committedAtMs: number;
}

const QUERY_MS_MAX = 10_000;
const EVERY_MS = 50;
const FIRST = 'the first marker';

/** Rows that are written one after the other, each with a hash over all before it: none can be missing or be another. */
export class MarkerChain {
  readonly #session: Client;
  #writing: Promise<void> = Promise.resolve();
  #isOver = false;
  #last: Marker = { n: 0, hash: FIRST };

  private constructor(session: Client) {
    this.#session = session;
  }

  static async start(url: string): Promise<MarkerChain> {
    const session = await openSession(url, QUERY_MS_MAX);
    await session.query('create table drill_marker (n int primary key, hash text not null)');
    const chain = new MarkerChain(session);
    chain.#writing = chain.#write();
    return chain;
  }

  get written(): number {
    return this.#last.n;
  }

  /** Stops, and tells what was committed when, by the database's own account. */
  async finish(): Promise<readonly CommittedMarker[]> {
    this.#isOver = true;
    await this.#writing;
    const { rows } = await this.#session.query<{ n: number; hash: string; at: number }>(
      'select n, hash, (extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000)::float8 as at from drill_marker order by n',
    );
    await this.#session.end();
    return rows.map(({ n, hash, at }) => ({ n, hash, committedAtMs: at }));
  }

  async #write(): Promise<void> {
    while (!this.#isOver) {
      const marker = { n: this.#last.n + 1, hash: hashAfter(this.#last) };
      await this.#session.query('insert into drill_marker values ($1, $2)', [marker.n, marker.hash]);
      this.#last = marker;
      await pause(EVERY_MS);
    }
  }
}

export async function readMarkers(session: Client): Promise<readonly Marker[]> {
  return (await session.query<Marker>('select n, hash from drill_marker order by n')).rows;
}

/** @throws when a link of the chain is missing, or is not the one that was forged. */
export function assertChain(markers: readonly Marker[]): void {
  let last: Marker = { n: 0, hash: FIRST };
  for (const marker of markers) {
    if (marker.n !== last.n + 1 || marker.hash !== hashAfter(last))
      throw new Error(`The chain breaks at marker ${marker.n}`);
    last = marker;
  }
}

function hashAfter(last: Marker): string {
  return createHash('sha256')
    .update(`${last.hash} ${last.n + 1}`)
    .digest('hex');
}
