import type { ColumnType, Generated, GeneratedAlways, Transaction } from 'kysely';

/** The tables as the first migration makes them. `Json` columns are parsed by the store that owns them. */
export interface Schema {
  tenant: TenantTable;
  api_key: ApiKeyTable;
  channel: ChannelTable;
  channel_pacing: ChannelPacingTable;
  contact: ContactTable;
  contact_alias: ContactAliasTable;
  conversation: ConversationTable;
  inbound_event: InboundEventTable;
  message: MessageTable;
  echo: EchoTable;
  turn: TurnTable;
  outbox: OutboxTable;
  handoff: HandoffTable;
  dead_letter: DeadLetterTable;
  knowledge_document: KnowledgeDocumentTable;
  passage: PassageTable;
  backup_record: BackupRecordTable;
  heartbeat: HeartbeatTable;
}

/** A function that takes `Tx` cannot be called outside a transaction. */
export type Tx = Transaction<Schema>;

/** Written as JSON text, read as whatever was written. */
type Json = ColumnType<unknown, string | undefined, string>;
type Instant = Date;
/** A bigint: PostgreSQL's driver hands it out as decimal digits. */
type BigIntText = string;

interface TenantTable {
  id: string;
  slug: string;
  name: string;
  plan: string | null;
  locale: Generated<string>;
  time_zone: Generated<string>;
  settings: Json;
  sealed_data_key: Buffer;
  created_at: Generated<Instant>;
}

interface ApiKeyTable {
  id: string;
  tenant_id: string;
  name: string;
  role: string;
  key_hash: Buffer;
  created_at: Generated<Instant>;
  revoked_at: Instant | null;
}

interface ChannelTable {
  id: string;
  tenant_id: string;
  name: string;
  kind: string;
  gateway_profile: string;
  gateway_base_url: string;
  gateway_connection_id: string | null;
  sealed_credentials: Buffer;
  webhook_auth: string;
  webhook_header: string | null;
  sealed_webhook_secrets: Buffer;
  on_unknown: Generated<string>;
  handoff_queue_id: number | null;
  handoff_user_id: number | null;
  created_at: Generated<Instant>;
  updated_at: Generated<Instant>;
}

interface ChannelPacingTable {
  channel_id: string;
  tenant_id: string;
  next_send_at: Instant;
}

interface ContactTable {
  id: string;
  tenant_id: string;
  sealed_name: Buffer | null;
  created_at: Generated<Instant>;
}

interface ContactAliasTable {
  tenant_id: string;
  kind: string;
  blind_index: Buffer;
  contact_id: string;
  sealed_address: Buffer;
  created_at: Generated<Instant>;
}

interface ConversationTable {
  id: string;
  tenant_id: string;
  channel_id: string;
  contact_id: string;
  gateway_ticket_id: string | null;
  owner: Generated<string>;
  owner_reason: string | null;
  owner_since: Generated<Instant>;
  owner_lapses_at: Instant | null;
  epoch: Generated<number>;
  episode_started_at: Generated<Instant>;
  unsure_in_a_row: Generated<number>;
  lease_owner: string | null;
  lease_until: Instant | null;
  fence: Generated<BigIntText>;
  attempts: Generated<number>;
  deaths: Generated<number>;
  created_at: Generated<Instant>;
}

interface InboundEventTable {
  id: string;
  tenant_id: string;
  channel_id: string;
  dedupe_key: string;
  kind: string;
  conversation_id: string | null;
  raw: Buffer | null;
  request_id: string;
  received_at: Generated<Instant>;
  /** When an edit, a deletion or a status had its effect, or was found to have none. */
  applied_at: Instant | null;
}

interface MessageTable {
  id: string;
  tenant_id: string;
  conversation_id: string;
  seq: GeneratedAlways<BigIntText>;
  author: string;
  kind: string;
  text: string | null;
  quoted_text: string | null;
  provider_message_id: string | null;
  said_at: Instant;
  received_at: Generated<Instant>;
  answer_after: Instant | null;
  request_id: string | null;
  traceparent: string | null;
  edited_at: Instant | null;
  deleted_at: Instant | null;
  settled_kind: string | null;
  settled_reason: string | null;
  settled_by_message_id: string | null;
  settled_turn_id: string | null;
  settled_at: Instant | null;
}

interface EchoTable {
  id: string;
  tenant_id: string;
  conversation_id: string;
  text: string | null;
  text_hash: Buffer;
  is_automatic: boolean;
  provider_message_id: string | null;
  said_at: Instant;
  received_at: Generated<Instant>;
  settled_as: string | null;
  settled_at: Instant | null;
}

interface TurnTable {
  id: string;
  tenant_id: string;
  conversation_id: string;
  outcome: string;
  owner_epoch: number;
  fence: BigIntText;
  trace: Json;
  started_at: Instant;
  finished_at: Generated<Instant>;
}

interface OutboxTable {
  id: string;
  tenant_id: string;
  channel_id: string;
  conversation_id: string;
  message_id: string;
  turn_id: string;
  part: number;
  seq: GeneratedAlways<BigIntText>;
  text_hash: Buffer;
  epoch: number;
  state: Generated<string>;
  attempts: Generated<number>;
  resends: Generated<number>;
  due_at: Generated<Instant>;
  deadline_at: Instant;
  paced_at: Instant | null;
  sending_since: Instant | null;
  claim_id: string | null;
  unknown_since: Instant | null;
  read_back_at: Instant | null;
  sent_at: Instant | null;
  settled_by: string | null;
  echo_id: string | null;
  provider_message_id: string | null;
  failure: string | null;
  history: Json;
  request_id: string | null;
  traceparent: string | null;
  asked_at: Instant | null;
  created_at: Generated<Instant>;
}

interface HandoffTable {
  id: string;
  tenant_id: string;
  conversation_id: string;
  state: string;
  reason: string;
  requested_at: Generated<Instant>;
  taken_at: Instant | null;
  ended_at: Instant | null;
}

interface DeadLetterTable {
  id: string;
  tenant_id: string;
  stage: string;
  subject_id: string;
  conversation_id: string | null;
  reason: string;
  payload: Json;
  history: Json;
  state: Generated<string>;
  created_at: Generated<Instant>;
  settled_at: Instant | null;
  settled_by: string | null;
}

interface KnowledgeDocumentTable {
  id: string;
  tenant_id: string;
  title: string;
  url: string | null;
  text: string | null;
  state: Generated<string>;
  failure: string | null;
  valid_from: Instant | null;
  valid_until: Instant | null;
  created_at: Generated<Instant>;
  updated_at: Generated<Instant>;
}

interface PassageTable {
  id: string;
  tenant_id: string;
  document_id: string;
  ordinal: number;
  title: string;
  text: string;
  valid_from: Instant | null;
  valid_until: Instant | null;
  folded_title: GeneratedAlways<string>;
  title_words: GeneratedAlways<string>;
  words: GeneratedAlways<string>;
}

interface BackupRecordTable {
  kind: string;
  succeeded_at: Instant;
}

interface HeartbeatTable {
  stage: string;
  beat_at: Instant;
}
