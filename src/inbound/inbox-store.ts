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
  /** The span in which it arrived, kept beside it, so that whoever answers goes on with the trace. */
  readonly traceparent?: string | undefined;
  /** How long to wait for the rest of the burst; only a message has one. */
  readonly waitMs: number;
}

export interface Recorded {
  /** False when this event was recorded before. */
  readonly isNew: boolean;
  readonly conversationId: ConversationId | undefined;
}

const ALIASES_CACHED = 50_000;
const PEOPLE_CACHED = 50_000;
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
  /** Who speaks from a set of addresses on a channel, once all of it is committed, the conversation too. */
  readonly #people = new LRUCache<string, Person>({ max: PEOPLE_CACHED });

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
      this.#people.clear();
      return await this.#recordOnce(rows);
    }
  }

  async #recordOnce(rows: readonly InboxRow[]): Promise<readonly Recorded[]> {
    const known = rows.map((row) => this.#people.get(personKey(row)));
    const people = known.includes(undefined) ? await this.#resolve(rows) : known;
    const prepared = rows.map((row, index) => prepare(row, people[index]));
    // Every batch inserts in the same order, so that two of them never wait for each other in a circle.
    const ordered = prepared.toSorted((left, right) => compare(left.row.dedupeKey, right.row.dedupeKey));
    const inserted = await this.#insert(ordered);
    for (const { row, person } of prepared) {
      if (person?.isCertain === true) this.#people.set(personKey(row), { ...person, isStored: true });
    }
    return prepared.map(({ id, person }) => ({ isNew: inserted.has(id), conversationId: person?.conversationId }));
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
      const owners = aliases.map((alias) => this.#contacts.get(alias.cacheKey));
      const owner = owners.find((found) => found !== undefined);
      const contactId = owner ?? ContactId.parse(derivedUuid(row.keys.ids, `contact|${best.key}`));
      const conversation = derivedUuid(row.keys.ids, `conversation|${row.channel.id}|${contactId}`);
      return {
        contactId,
        conversationId: ConversationId.parse(conversation),
        newAliases: this.#newAliases(row, aliases, owner),
        isCertain: !owners.includes(undefined),
        isStored: false,
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
    const types = new Set(rows.filter(({ person }) => person !== undefined).map(({ row }) => row.event.type));
    const isConversationNew = rows.some(({ person }) => person?.isStored === false);
    const { rows: inserted } = await sql<{ id: string }>`
      with incoming as materialized (
        select * from json_to_recordset(${JSON.stringify(incoming(rows))}::json) as it (
          id uuid, tenant_id uuid, channel_id uuid, dedupe_key text, kind text, request_id text, raw_from integer,
          raw_length integer, contact_id uuid, conversation_id uuid, is_stored boolean, ticket_id text, form text, text text,
          quoted_text text, text_hash bytea, is_automatic boolean, provider_message_id text, said_at timestamptz,
          wait_ms integer, traceparent text)
      ), ${newcomers.length > 0 ? contactInserts(newcomers) : sql``}
      ${isConversationNew ? CONVERSATION_INSERTS : sql``}
      recorded as (
        insert into inbound_event (id, tenant_id, channel_id, dedupe_key, kind, conversation_id, request_id, raw)
        select id, tenant_id, channel_id, dedupe_key, kind, conversation_id, request_id,
               substr(${Buffer.concat(rows.map(({ row }) => row.raw))}::bytea, raw_from, raw_length)
          from incoming
        on conflict (channel_id, dedupe_key) do nothing returning id
      )
      ${types.has('message') ? MESSAGE_INSERTS : sql``}
      ${types.has('echo') ? ECHO_INSERTS : sql``}
      select id from recorded`.execute(this.#db);
    return new Set(inserted.map((row) => row.id));
  }
}

const CONVERSATION_INSERTS = sql`new_conversation as (
        insert into conversation (id, tenant_id, channel_id, contact_id, gateway_ticket_id)
        select distinct on (conversation_id) conversation_id, tenant_id, channel_id, contact_id, ticket_id
          from incoming where not is_stored
         order by conversation_id, ticket_id
        on conflict do nothing
      ),`;

const MESSAGE_INSERTS = sql`, new_message as (
        insert into message (id, tenant_id, conversation_id, author, kind, text, quoted_text, provider_message_id, said_at,
                             received_at, answer_after, request_id, traceparent)
        select id, tenant_id, conversation_id, 'customer', form, text, quoted_text, provider_message_id,
               least(coalesce(said_at, now()), now()), now(), now() + wait_ms * interval '1 millisecond', request_id,
               traceparent
          from incoming join recorded using (id)
         where kind = 'message' and conversation_id is not null
      )`;

const ECHO_INSERTS = sql`, new_echo as (
        insert into echo (id, tenant_id, conversation_id, text, text_hash, is_automatic, provider_message_id, said_at)
        select id, tenant_id, conversation_id, text, text_hash, is_automatic, provider_message_id,
               least(coalesce(said_at, now()), now())
          from incoming join recorded using (id)
         where kind = 'echo' and conversation_id is not null
      )`;

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
  /** Every address is committed as this contact's. */
  readonly isCertain: boolean;
  /** The conversation is committed as well. */
  readonly isStored: boolean;
}

interface Prepared {
  readonly id: MessageId;
  readonly row: InboxRow;
  readonly person: Person | undefined;
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

/** The addresses as they came: equal ones were resolved to the same person. */
function personKey({ channel, event }: InboxRow): string {
  if (event.type !== 'message' && event.type !== 'echo') return '';
  return `${channel.id}|${event.addresses.map(({ kind, value }) => `${kind}:${value}`).join('|')}`;
}

function prepare(row: InboxRow, person: Person | undefined): Prepared {
  return { id: newId(MessageId), row, person };
}

/**
 * The rows as one document: written out once by the runtime, and read once by the server, instead of an array for each
 * column that both would have to go through element by element [measured: half of the service's time for a row].
 */
function incoming(rows: readonly Prepared[]): readonly object[] {
  let rawFrom = 1;
  return rows.map(({ id, row, person }) => {
    const { channel, event, dedupeKey, raw, requestId, traceparent, waitMs } = row;
    const base = {
      id,
      tenant_id: channel.tenantId,
      channel_id: channel.id,
      dedupe_key: dedupeKey,
      kind: event.type,
      request_id: requestId,
      raw_from: rawFrom,
      raw_length: raw.length,
    };
    rawFrom += raw.length;
    if (person === undefined || (event.type !== 'message' && event.type !== 'echo'))
      return { ...base, is_stored: true };
    return {
      ...base,
      contact_id: person.contactId,
      conversation_id: person.conversationId,
      is_stored: person.isStored,
      ticket_id: event.ticketId,
      form: event.kind,
      text: event.text && storableText(event.text),
      quoted_text: event.quotedText && storableText(event.quotedText),
      provider_message_id: event.providerMessageId && storableText(event.providerMessageId, PROVIDER_ID_CHARACTERS_MAX),
      said_at: event.occurredAt,
      wait_ms: waitMs,
      traceparent,
      ...(event.type === 'echo'
        ? { text_hash: bytesLiteral(sha256(normalisedText(event.text ?? ''))), is_automatic: event.isAutomatic }
        : {}),
    };
  });
}

/** How PostgreSQL reads bytes from text. Source: PostgreSQL manual, 8.4.1 "bytea Hex Format". */
function bytesLiteral(bytes: Buffer): string {
  return `\\x${bytes.toString('hex')}`;
}

type Newcomer = Prepared & { readonly person: Person };

function contactInserts(rows: readonly Newcomer[]) {
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

function cacheKey(tenantId: string, kind: string, index: Buffer): string {
  return `${tenantId}|${kind}|${index.toString('base64')}`;
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
