import { randomUUID } from 'node:crypto';
import express from 'express';
import type { Express } from 'express';
import type { Kysely } from 'kysely';
import { seal, sha256 } from '../../src/platform/crypto.ts';
import { asTenant } from '../../src/platform/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { problemResponses, requestIds, unknownRoute } from '../../src/platform/problem.ts';
import { Secret } from '../../src/platform/secret.ts';
import { createApiKey } from '../../src/tenants/api-key-store.ts';
import type { ApiKeyRole } from '../../src/tenants/api-key-store.ts';
import { ChannelStore } from '../../src/tenants/channel-store.ts';
import { TenantStore } from '../../src/tenants/tenant-store.ts';
import { FAILURES } from '../../src/vocabulary/failures.ts';
import type { DeadLetterId, TenantId } from '../../src/vocabulary/ids.ts';
import type { Notifier } from '../../src/vocabulary/notification.ts';
import type { Schema, Tx } from '../../src/vocabulary/schema.ts';
import type { PanelNeeds } from '../../src/panel/needs.ts';
import { allRoutes, panelRoutes } from '../../src/panel/panel-routes.ts';

/** How many wrong keys an address may try in the town. */
export const WRONG_KEYS_MAX = 20;
export const PUBLIC_URL = 'https://plantao.example';

/** A small world for the tests of the panel: a real application on a real database, and the people who use it. */
export class PanelTown {
  readonly db: Kysely<Schema>;
  readonly app: Express;
  readonly adminKey = `platform-${randomUUID()}`;
  /** Every bell that was rung, in order. */
  readonly rung: string[] = [];
  readonly tenants: TenantStore;
  readonly channels: ChannelStore;
  /** What the log says, line by line. */
  readonly logged: string[] = [];
  /** Tells nobody, until a test brings one that does. */
  notifier: Notifier = { tell: () => Promise.resolve() };
  notifierTests: PanelNeeds['notifierTests'] = { take: () => Promise.resolve(undefined) };
  readonly #needs: PanelNeeds;
  #wrongKeys = 0;

  constructor(db: Kysely<Schema>) {
    this.db = db;
    const master = Secret.of(Buffer.alloc(32, 7).toString('base64'));
    this.tenants = new TenantStore(db, { current: master, previous: undefined });
    this.channels = new ChannelStore(db, (id) => this.tenants.keysOf(id));
    this.#needs = this.#makeNeeds();
    this.app = this.#application(this.#needs);
  }

  /** A tenant with one channel, and a key for each of its people. */
  async opens(slug: string): Promise<TownTenant> {
    const { id } = await this.tenants.create({ slug, name: `The ${slug}` });
    const channel = await asTenant(this.db, id, (tx) =>
      this.channels.create(tx, id, {
        name: 'WhatsApp',
        profile: 'community',
        baseUrl: 'https://gateway.example',
        credentials: { token: 'gateway-token-in-clear' },
        webhook: { kind: 'hmac', secrets: ['webhook-secret-in-clear'] },
      }),
    );
    const keyFor = async (role: ApiKeyRole) =>
      (await asTenant(this.db, id, (tx) => createApiKey(tx, id, { name: role, role }))).key;
    return {
      id,
      channelId: channel.id,
      admin: await keyFor('admin'),
      agent: await keyFor('agent'),
      viewer: await keyFor('viewer'),
    };
  }

  /** A conversation with somebody of this name. */
  async meets(tenant: TownTenant, name: string): Promise<string> {
    const { sealing } = await this.tenants.keysOf(tenant.id);
    const [contactId, id] = [randomUUID(), randomUUID()];
    const place = { tenantId: tenant.id, table: 'contact', column: 'sealed_name', rowId: contactId };
    await this.db
      .insertInto('contact')
      .values({ id: contactId, tenant_id: tenant.id, sealed_name: seal(sealing, name, place) })
      .execute();
    await this.db
      .insertInto('conversation')
      .values({ id, tenant_id: tenant.id, channel_id: tenant.channelId, contact_id: contactId })
      .execute();
    return id;
  }

  async says(tenant: TownTenant, message: SaidInTown): Promise<string> {
    const id = randomUUID();
    await this.db
      .insertInto('message')
      .values({
        id,
        tenant_id: tenant.id,
        conversation_id: message.conversationId,
        author: message.author,
        kind: 'text',
        text: message.text,
        said_at: message.at ?? new Date(),
      })
      .execute();
    return id;
  }

  /** A reply of the bot on its way out, to a message that it settles. */
  async replies(tenant: TownTenant, reply: RepliedInTown): Promise<{ messageId: string; outboxId: string }> {
    const { conversationId, state, epoch = 0, turnId = randomUUID(), part = 0 } = reply;
    const messageId = await this.says(tenant, { conversationId, author: 'bot', text: 'Yes.' });
    const outboxId = randomUUID();
    await this.db
      .insertInto('outbox')
      .values({
        id: outboxId,
        tenant_id: tenant.id,
        channel_id: tenant.channelId,
        conversation_id: conversationId,
        message_id: messageId,
        turn_id: turnId,
        part,
        text_hash: sha256('Yes.'),
        epoch,
        state,
        deadline_at: new Date('2100-01-01'),
      })
      .execute();
    if (reply.settles !== undefined) {
      await this.db
        .updateTable('message')
        .set({ settled_kind: 'reply', settled_by_message_id: messageId, settled_at: new Date() })
        .where('id', '=', reply.settles)
        .execute();
    }
    return { messageId, outboxId };
  }

  async gaveUp(tenant: TownTenant, letter: GivenUpInTown): Promise<string> {
    const id = randomUUID();
    const { stage, reason = 'model-unavailable', conversationId = null, subjectId = randomUUID() } = letter;
    await this.db
      .insertInto('dead_letter')
      .values({
        id,
        tenant_id: tenant.id,
        stage,
        reason,
        subject_id: subjectId,
        conversation_id: conversationId,
        payload: '{}',
      })
      .execute();
    return id;
  }

  /** The ids of the operations that have a route. */
  routes(): readonly string[] {
    return allRoutes(this.#needs).map((it) => it.operation.id);
  }

  #application(needs: PanelNeeds): Express {
    const app = express();
    app.use(requestIds());
    app.use(panelRoutes(needs));
    app.use(unknownRoute(FAILURES));
    app.use(problemResponses(FAILURES, needs.log));
    return app;
  }

  #makeNeeds(): PanelNeeds {
    const log = createLogger({ level: 'debug', process: 'town' }, { write: (line) => this.logged.push(line) });
    const ring = (name: string) => (id: string) => {
      this.rung.push(`${name} ${id}`);
    };
    const settle =
      <State extends 'replayed' | 'discarded'>(state: State) =>
      (tx: Tx, _tenantId: TenantId, id: DeadLetterId) =>
        settleDeadLetter(tx, id, state);
    return {
      db: this.db,
      tenants: this.tenants,
      channels: this.channels,
      adminApiKey: Secret.of(this.adminKey),
      notifier: { tell: (address, notice, signal) => this.notifier.tell(address, notice, signal) },
      notifierTests: { take: (key) => this.notifierTests.take(key) },
      publicUrl: () => PUBLIC_URL,
      limiter: { take: () => Promise.resolve((this.#wrongKeys += 1) > WRONG_KEYS_MAX ? 30_000 : undefined) },
      bell: { ringTurn: ring('conversation'), ringDelivery: ring('delivery'), ringDocument: ring('document') },
      assistant: {
        limiter: { take: () => Promise.resolve(undefined) },
        rehearse: () => Promise.reject(new Error('Nobody drafts in this town')),
        suggest: () => Promise.reject(new Error('Nobody drafts in this town')),
      },
      deadLetters: { replay: settle('replayed'), discard: settle('discarded') },
      deepHealth: {
        report: () => Promise.resolve({ status: 'ok', checkedAt: new Date(), checks: [] }),
        ofChannel: () => Promise.resolve({ state: 'skipped', detail: 'nobody asks in this town' }),
      },
      log,
    };
  }
}

export interface TownTenant {
  readonly id: TenantId;
  readonly channelId: string;
  readonly admin: string;
  readonly agent: string;
  readonly viewer: string;
}

interface SaidInTown {
  readonly conversationId: string;
  readonly author: 'customer' | 'bot' | 'human';
  readonly text: string;
  readonly at?: Date;
}

interface RepliedInTown {
  readonly conversationId: string;
  readonly state: string;
  readonly epoch?: number;
  readonly turnId?: string;
  readonly part?: number;
  readonly settles?: string;
}

interface GivenUpInTown {
  readonly stage: 'intake' | 'turn' | 'delivery' | 'knowledge';
  readonly reason?: string;
  readonly conversationId?: string;
  readonly subjectId?: string;
}

async function settleDeadLetter<State extends 'replayed' | 'discarded'>(tx: Tx, id: string, state: State) {
  const row = await tx.selectFrom('dead_letter').select('state').where('id', '=', id).executeTakeFirst();
  if (row === undefined) return 'not-found';
  if (row.state !== 'open') return 'settled-already';
  await tx.updateTable('dead_letter').set({ state, settled_at: new Date() }).where('id', '=', id).execute();
  return state;
}
