import type { Base } from './composition.ts';
import { composeDraft } from './conversation/compose-reply.ts';
import { keepSpending, PaidModels } from './conversation/contact-spending.ts';
import { moodOf } from './conversation/mood.ts';
import { improvePackets, noPacketFailures, writePackets } from './handoff/keep-packets.ts';
import type { KeepPacketsNeeds } from './handoff/keep-packets.ts';
import { packetTextFor } from './handoff/packet-store.ts';
import type { PacketReading } from './handoff/packet-store.ts';
import { Rounds } from './platform/rounds.ts';
import { monotonicMs } from './platform/time.ts';
import { TenantId } from './vocabulary/ids.ts';
import type { Model } from './vocabulary/model.ts';

const WRITE_EVERY_MS = 500;
const IMPROVE_EVERY_MS = 1_000;
/** A person may come at any moment, so a model gets this long and no more. */
const ASK_WITHIN_MS = 20_000;

/** How packets are read, in the service and in the workers. */
export function packetReading({ tenants }: Pick<Base, 'tenants'>): PacketReading {
  return { tenantOf: (id) => tenants.get(id), moodOf };
}

/** The packet of a handoff as text for a ticket's note. */
export function packetTexts(base: Pick<Base, 'db' | 'tenants'>): (handoffId: string) => Promise<string | undefined> {
  return (handoffId) => packetTextFor(base.db, packetReading(base), handoffId);
}

/** Writes packets by rule at once, and lets a model write them better while nobody has come. */
export function openPackets(base: Base, models: readonly Model[]): void {
  const { db, tenants, closing, log } = base;
  const stopping = new AbortController();
  const needs: KeepPacketsNeeds = {
    ...packetReading(base),
    db,
    mayAskModel: async (handoffId) => {
      if (models.length === 0) return false;
      const row = await db.selectFrom('handoff').select('tenant_id').where('id', '=', handoffId).executeTakeFirst();
      if (row === undefined) return false;
      return (await tenants.get(TenantId.parse(row.tenant_id))).settings.packetWriter === 'model';
    },
    ask: async (request, { handoffId, signal }) => {
      const paid = new PaidModels(models);
      try {
        const deadline = monotonicMs() + ASK_WITHIN_MS;
        const { draft } = await composeDraft({ models: paid.models, log }, request, { deadline, signal });
        return draft?.reply;
      } finally {
        await keepSpending(base, { handoffId }, paid.usd);
      }
    },
    failing: noPacketFailures(),
    log,
  };
  const writing = { name: 'packets', everyMs: WRITE_EVERY_MS, run: () => writePackets(needs), log };
  const improving = {
    name: 'packets by model',
    everyMs: IMPROVE_EVERY_MS,
    run: () => improvePackets(needs, stopping.signal),
    log,
  };
  for (const options of [writing, improving]) {
    const rounds = closing.keep(options.name, new Rounds(options), async (it) => {
      stopping.abort(new Error('The process is ending'));
      await it.close();
    });
    rounds.start();
  }
}
