import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { LRUCache } from 'lru-cache';
import { blindIndex, derivedUuid, seal, sha256 } from '../platform/crypto.ts';
import { sqlState } from '../platform/database.ts';
import type { Channel, TenantKeys } from '../tenants/tenants.ts';
import { ContactId, ConversationId, MessageId, newId } from '../vocabulary/ids.ts';
import type { TenantId } from '../vocabulary/ids.ts';
import { normalisedText, storableText } from '../vocabulary/message.ts';
import type { Address, ReceivedEvent } from '../vocabulary/message.ts';
import type { Schema } from '../vocabulary/schema.ts';
import { addressKey } from './inbound.ts';

/** One event, ready to be recorded. */
export interface InboxRow {
  readonly channel: Channel;
  readonly keys: TenantKeys;
  readonly event: ReceivedEvent;
  readonly dedupeKey: string;
  readonly raw: Buffer;
  readonly requestId: string;
  /** How long to wait for the rest of the burst; only a message has one. */
  readonly waitMs: number;
}

export interface Recorded {
  /** False when this event was recorded before. */
  readonly isNew: boolean;
  readonly conversationId: ConversationId | undefined;
}

const ALIASES_CACHED = 50_000;
const FOREIGN_KEY_VIOLATION = '23503';
const NAME_CHARACTERS_MAX = 200;
const PROVIDER_ID_CHARACTERS_MAX = 255;

/**
 * Records events in one statement: a batch is one round trip and one commit.
 *
 * It only inserts. Contacts and conversations have ids that follow from who they are, so that two processes that meet a
 * new customer at the same instant insert the same rows, and neither waits for a lock that a turn holds.
 */
export class InboxStore {
  readonly #db: Kysely<Schema>;
  /** Which contact an address belongs to, once that is committed. */
  readonly #contacts = new LRUCache<string, ContactId>({ max: ALIASES_CACHED });

  constructor(db: Kysely<Schema>) {
    this.#db = db;
  }

  /** Records the events, each at most once. Answers in the order of the rows. Safe to repeat. */
  async record(rows: readonly InboxRow[]): Promise<readonly Recorded[]> {
    try {
      return await this.#recordOnce(rows);
    } catch (error) {
      if (sqlState(error) !== FOREIGN_KEY_VIOLATION) throw error;
      // A contact that is remembered here has been erased since. It is nobody's fault but ours: look anew, once.
      this.#contacts.clear();
      return await this.#recordOnce(rows);
    }
  }

  async #recordOnce(rows: readonly InboxRow[]): Promise<readonly Recorded[]> {
    const people = await this.#resolve(rows);
    const prepared = rows.map((row, index) => prepare(row, people[index]));
    // Every batch inserts in the same order, so that two of them never wait for each other in a circle.
    const ordered = prepared.toSorted((left, right) => compare(left.event.dedupe_key, right.event.dedupe_key));
    const inserted = await this.#insert(ordered);
    return prepared.map(({ event, person }) => ({
      isNew: inserted.has(event.id),
      conversationId: person?.conversationId,
    }));
  }

  /** Who is speaking, for each row: the contact that owns one of the addresses, or a new one. */
  async #resolve(rows: readonly InboxRow[]): Promise<readonly (Person | undefined)[]> {
    const seen = rows.map((row) => aliasesOf(row));
    const missing = seen.flat().filter((alias) => !this.#contacts.has(alias.cacheKey));
    if (missing.length > 0) await this.#readAliases(missing);
    return rows.map((row, index) => {
      const aliases = seen[index] ?? [];
      const [best] = aliases;
      if (best === undefined) return undefined;
      const owner = aliases.map((alias) => this.#contacts.get(alias.cacheKey)).find((found) => found !== undefined);
      const contactId = owner ?? ContactId.parse(derivedUuid(row.keys.ids, `contact|${best.key}`));
      const conversation = derivedUuid(row.keys.ids, `conversation|${row.channel.id}|${contactId}`);
      return {
        contactId,
        conversationId: ConversationId.parse(conversation),
        newAliases: this.#newAliases(row, aliases, owner),
      };
    });
  }

  /**
   * What is to be known about the person from now on. Whom an echo was said to is certain, so it may begin a contact; its
   * other addresses may be our own side's, so it adds none to anybody.
   */
  #newAliases(row: InboxRow, aliases: readonly Alias[], owner: ContactId | undefined): readonly Alias[] {
    if (row.event.type === 'echo') return owner === undefined ? aliases.slice(0, 1) : [];
    return aliases.filter((alias) => !this.#contacts.has(alias.cacheKey));
  }

  /** Remembers only what the database says: which of two inserts of an address came first is its to decide. */
  async #readAliases(aliases: readonly Alias[]): Promise<void> {
    const { rows } = await sql<{ tenant_id: string; kind: string; blind_index: Buffer; contact_id: string }>`
      select tenant_id, kind, blind_index, contact_id from contact_alias
       join unnest(${aliases.map((alias) => alias.tenantId)}::uuid[], ${aliases.map((alias) => alias.kind)}::text[],
                   ${aliases.map((alias) => alias.blindIndex)}::bytea[]) as asked (tenant_id, kind, blind_index)
      using (tenant_id, kind, blind_index)`.execute(this.#db);
    for (const row of rows) {
      this.#contacts.set(cacheKey(row.tenant_id, row.kind, row.blind_index), ContactId.parse(row.contact_id));
    }
  }

  async #insert(rows: readonly Prepared[]): Promise<ReadonlySet<string>> {
    const newcomers = rows.flatMap((row) => {
      const { person } = row;
      return person !== undefined && person.newAliases.length > 0 ? [{ ...row, person }] : [];
    });
    const { rows: inserted } = await sql<{ id: string }>`
      with ${contactInserts(newcomers)}
      ${conversationInserts(rows)}
      recorded as (
        insert into inbound_event (id, tenant_id, channel_id, dedupe_key, kind, conversation_id, request_id, raw)
        select e.id, e.tenant_id, e.channel_id, e.dedupe_key, e.kind, e.conversation_id, e.request_id,
               substr(${Buffer.concat(rows.map((it) => it.event.raw))}::bytea, e.raw_from, e.raw_length)
          from unnest(${column(rows, (it) => it.event.id)}::uuid[], ${column(rows, (it) => it.event.tenant_id)}::uuid[],
          ${column(rows, (it) => it.event.channel_id)}::uuid[], ${column(rows, (it) => it.event.dedupe_key)}::text[],
          ${column(rows, (it) => it.event.kind)}::text[], ${column(rows, (it) => it.person?.conversationId ?? null)}::uuid[],
          ${column(rows, (it) => it.event.request_id)}::text[], ${startsOf(rows)}::integer[],
          ${column(rows, (it) => it.event.raw.length)}::integer[])
          as e (id, tenant_id, channel_id, dedupe_key, kind, conversation_id, request_id, raw_from, raw_length)
        on conflict (channel_id, dedupe_key) do nothing returning id
      )${messageInserts(rows)}${echoInserts(rows)}
      select id from recorded`.execute(this.#db);
    return new Set(inserted.map((row) => row.id));
  }
}

interface Alias {
  readonly tenantId: TenantId;
  readonly kind: Address['kind'];
  readonly key: string;
  readonly address: string;
  readonly blindIndex: Buffer;
  readonly cacheKey: string;
}

interface Person {
  readonly contactId: ContactId;
  readonly conversationId: ConversationId;
  /** Addresses that are not known to be anybody's. */
  readonly newAliases: readonly Alias[];
}

interface Prepared {
  readonly row: InboxRow;
  readonly person: Person | undefined;
  readonly event: {
    readonly id: string;
    readonly tenant_id: string;
    readonly channel_id: string;
    readonly dedupe_key: string;
    readonly kind: string;
    readonly raw: Buffer;
    readonly request_id: string;
  };
}

function aliasesOf({ channel, keys, event }: InboxRow): readonly Alias[] {
  // Only what somebody said makes a conversation; an edit of a message we never saw does not.
  if (event.type !== 'message' && event.type !== 'echo') return [];
  return event.addresses.map((address) => {
    const key = addressKey(address, channel.id);
    const index = blindIndex(keys.index, key);
    return {
      tenantId: channel.tenantId,
      kind: address.kind,
      key,
      address: storableText(address.value, NAME_CHARACTERS_MAX),
      blindIndex: index,
      cacheKey: cacheKey(channel.tenantId, address.kind, index),
    };
  });
}

function prepare(row: InboxRow, person: Person | undefined): Prepared {
  return {
    row,
    person,
    event: {
      id: newId(MessageId),
      tenant_id: row.channel.tenantId,
      channel_id: row.channel.id,
      dedupe_key: row.dedupeKey,
      kind: row.event.type,
      raw: row.raw,
      request_id: row.requestId,
    },
  };
}

type Newcomer = Prepared & { readonly person: Person };

function contactInserts(rows: readonly Newcomer[]) {
  if (rows.length === 0) return sql``;
  const contacts = inOneOrder(rows, ({ person }) => person.contactId).map(({ row, person }) => {
    const name = 'contactName' in row.event ? row.event.contactName : undefined;
    const place = { tenantId: row.channel.tenantId, table: 'contact', column: 'sealed_name', rowId: person.contactId };
    const sealed = name === undefined ? null : seal(row.keys.sealing, storableText(name, NAME_CHARACTERS_MAX), place);
    return { id: person.contactId, tenantId: row.channel.tenantId, sealed };
  });
  const newAliases = rows.flatMap(({ row, person }) => person.newAliases.map((alias) => ({ row, person, alias })));
  const aliases = inOneOrder(newAliases, ({ alias }) => alias.cacheKey).map(({ row, person, alias }) => {
    const place = {
      tenantId: alias.tenantId,
      table: 'contact_alias',
      column: 'sealed_address',
      rowId: alias.blindIndex.toString('hex'),
    };
    return { alias, contactId: person.contactId, sealed: seal(row.keys.sealing, alias.address, place) };
  });
  return sql`new_contact as (
        insert into contact (id, tenant_id, sealed_name)
        select * from unnest(${column(contacts, (it) => it.id)}::uuid[], ${column(contacts, (it) => it.tenantId)}::uuid[],
          ${column(contacts, (it) => it.sealed)}::bytea[])
        on conflict do nothing
      ), new_alias as (
        insert into contact_alias (tenant_id, kind, blind_index, contact_id, sealed_address)
        select * from unnest(${column(aliases, (it) => it.alias.tenantId)}::uuid[], ${column(aliases, (it) => it.alias.kind)}::text[],
          ${column(aliases, (it) => it.alias.blindIndex)}::bytea[], ${column(aliases, (it) => it.contactId)}::uuid[],
          ${column(aliases, (it) => it.sealed)}::bytea[])
        on conflict do nothing
      ),`;
}

function conversationInserts(rows: readonly Prepared[]) {
  const named = rows.flatMap(({ row, person }) =>
    person === undefined
      ? []
      : [{ row, person, ticketId: 'ticketId' in row.event ? (row.event.ticketId ?? null) : null }],
  );
  const conversations = inOneOrder(named, ({ person }) => person.conversationId);
  if (conversations.length === 0) return sql``;
  return sql`new_conversation as (
        insert into conversation (id, tenant_id, channel_id, contact_id, gateway_ticket_id)
        select * from unnest(${column(conversations, (it) => it.person.conversationId)}::uuid[],
          ${column(conversations, (it) => it.row.channel.tenantId)}::uuid[], ${column(conversations, (it) => it.row.channel.id)}::uuid[],
          ${column(conversations, (it) => it.person.contactId)}::uuid[], ${column(conversations, (it) => it.ticketId)}::text[])
        on conflict do nothing
      ),`;
}

function messageInserts(rows: readonly Prepared[]) {
  const messages = rows.flatMap(({ row, person, event }) =>
    row.event.type === 'message' && person !== undefined ? [{ said: row.event, row, person, event }] : [],
  );
  if (messages.length === 0) return sql``;
  return sql`, new_message as (
        insert into message (id, tenant_id, conversation_id, author, kind, text, quoted_text, provider_message_id, said_at,
                             received_at, answer_after, request_id)
        select m.id, m.tenant_id, m.conversation_id, 'customer', m.kind, m.text, m.quoted_text, m.provider_message_id,
               least(coalesce(m.said_at, now()), now()), now(), now() + m.wait_ms * interval '1 millisecond', m.request_id
          from unnest(${column(messages, (it) => it.event.id)}::uuid[], ${column(messages, (it) => it.event.tenant_id)}::uuid[],
            ${column(messages, (it) => it.person.conversationId)}::uuid[], ${column(messages, (it) => it.said.kind)}::text[],
            ${column(messages, (it) => storable(it.said.text))}::text[], ${column(messages, (it) => storable(it.said.quotedText))}::text[],
            ${column(messages, (it) => providerId(it.said.providerMessageId))}::text[],
            ${column(messages, (it) => it.said.occurredAt ?? null)}::timestamptz[], ${column(messages, (it) => it.row.waitMs)}::integer[],
            ${column(messages, (it) => it.event.request_id)}::text[])
            as m (id, tenant_id, conversation_id, kind, text, quoted_text, provider_message_id, said_at, wait_ms, request_id)
          join recorded on recorded.id = m.id
      )`;
}

function echoInserts(rows: readonly Prepared[]) {
  const echoes = rows.flatMap(({ row, person, event }) =>
    row.event.type === 'echo' && person !== undefined ? [{ said: row.event, person, event }] : [],
  );
  if (echoes.length === 0) return sql``;
  return sql`, new_echo as (
        insert into echo (id, tenant_id, conversation_id, text, text_hash, is_automatic, provider_message_id, said_at)
        select e.id, e.tenant_id, e.conversation_id, e.text, e.text_hash, e.is_automatic, e.provider_message_id,
               least(coalesce(e.said_at, now()), now())
          from unnest(${column(echoes, (it) => it.event.id)}::uuid[], ${column(echoes, (it) => it.event.tenant_id)}::uuid[],
            ${column(echoes, (it) => it.person.conversationId)}::uuid[], ${column(echoes, (it) => storable(it.said.text))}::text[],
            ${column(echoes, (it) => sha256(normalisedText(it.said.text ?? '')))}::bytea[],
            ${column(echoes, (it) => it.said.isAutomatic)}::boolean[],
            ${column(echoes, (it) => providerId(it.said.providerMessageId))}::text[],
            ${column(echoes, (it) => it.said.occurredAt ?? null)}::timestamptz[])
            as e (id, tenant_id, conversation_id, text, text_hash, is_automatic, provider_message_id, said_at)
          join recorded on recorded.id = e.id
      )`;
}

/**
 * Where each row's raw bytes begin, from 1, in all of them together. One long parameter goes to the server as it is; an
 * array of them would be written out in hexadecimal first, and read back.
 */
function startsOf(rows: readonly Prepared[]): number[] {
  let next = 1;
  return rows.map(({ event }) => {
    const start = next;
    next += event.raw.length;
    return start;
  });
}

/**
 * Each once, and in the order that every process uses: two batches that insert the same newcomers in different orders
 * would wait for each other in a circle.
 */
function inOneOrder<Item>(items: readonly Item[], keyOf: (item: Item) => string): readonly Item[] {
  const byKey = new Map(items.map((item) => [keyOf(item), item]));
  return [...byKey.entries()].toSorted(([left], [right]) => compare(left, right)).map(([, item]) => item);
}

function column<Item, Value>(items: readonly Item[], value: (item: Item) => Value): Value[] {
  return items.map(value);
}

function storable(text: string | undefined): string | null {
  return text === undefined ? null : storableText(text);
}

function providerId(id: string | undefined): string | null {
  return id === undefined ? null : storableText(id, PROVIDER_ID_CHARACTERS_MAX);
}

function cacheKey(tenantId: string, kind: string, index: Buffer): string {
  return `${tenantId}|${kind}|${index.toString('base64')}`;
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
