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
  handoff_transfer: HandoffTransferTable;
  ticket_return: TicketReturnTable;
  ticket_state: TicketStateTable;
  handoff_packet: HandoffPacketTable;
  consent_event: ConsentEventTable;
  csat_survey: CsatSurveyTable;
  contact_spending: ContactSpendingTable;
  sla_watch: SlaWatchTable;
  sla_clock: SlaClockTable;
  sla_step: SlaStepTable;
  dead_letter: DeadLetterTable;
  notification_target: NotificationTargetTable;
  notification: NotificationTable;
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
  /** Ids of queues by their logical names. */
  handoff_queues: Json;
  bot_queue_id: number | null;
  /** Users of the gateway who are programs: what they do with a ticket means nothing. */
  handoff_not_people: Generated<readonly number[]>;
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
  tags: Generated<string[]>;
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
  /** When the bot said last that it is an assistant. */
  introduced_at: Instant | null;
  /** When the bot said last that people are away. */
  away_said_at: Instant | null;
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
  /** What its drafts cost, those that were thrown away included; null where no model was asked or its price is not known. */
  cost_micro_usd: GeneratedAlways<BigIntText | null>;
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
  read_backs: Generated<number>;
  sent_at: Instant | null;
  settled_by: string | null;
  echo_id: string | null;
  provider_message_id: string | null;
  failure: string | null;
  history: Json;
  request_id: string | null;
  traceparent: string | null;
  asked_at: Instant | null;
  /** False for what nobody waits for: when it cannot be said, nobody is called. */
  calls_person: Generated<boolean>;
  created_at: Generated<Instant>;
}

interface HandoffTable {
  id: string;
  tenant_id: string;
  conversation_id: string;
  state: string;
  reason: string;
  /** Of the tenant's rules for handoffs the one that called, by its name. */
  rule: string | null;
  /** Where the tenant wants it, by a name of its own. */
  destination: string | null;
  priority: Generated<string>;
  requested_at: Generated<Instant>;
  taken_at: Instant | null;
  ended_at: Instant | null;
  /** When its packet was written for the first time. */
  packet_at: Instant | null;
  /** When the transfer of its ticket was begun. */
  transfer_at: Instant | null;
}

interface HandoffPacketTable {
  handoff_id: string;
  tenant_id: string;
  written_by: string;
  packet: Json;
  tries: Generated<number>;
  improve_at: Instant | null;
  written_at: Generated<Instant>;
}

interface HandoffTransferTable {
  handoff_id: string;
  tenant_id: string;
  conversation_id: string;
  state: Generated<string>;
  reason: string | null;
  ticket_id: string | null;
  queue_id: number | null;
  user_id: number | null;
  note_state: string | null;
  is_there: Generated<boolean>;
  attempts: Generated<number>;
  due_at: Generated<Instant>;
  claim_id: string | null;
  history: Json;
  created_at: Generated<Instant>;
  settled_at: Instant | null;
}

interface TicketReturnTable {
  conversation_id: string;
  tenant_id: string;
  goal: string;
  state: Generated<string>;
  reason: string | null;
  attempts: Generated<number>;
  due_at: Generated<Instant>;
  claim_id: string | null;
  history: Json;
  settled_at: Instant | null;
}

interface TicketStateTable {
  conversation_id: string;
  tenant_id: string;
  ticket_id: string | null;
  status: string | null;
  queue_id: number | null;
  user_id: number | null;
  /** When the gateway last showed it. */
  seen_at: Instant | null;
  /** When we last asked. */
  looked_at: Instant | null;
}

interface ConsentEventTable {
  id: string;
  tenant_id: string;
  contact_id: string;
  seq: GeneratedAlways<BigIntText>;
  kind: string;
  source: string;
  message_id: string | null;
  at: Generated<Instant>;
}

interface CsatSurveyTable {
  id: string;
  tenant_id: string;
  conversation_id: string;
  epoch: number;
  question_id: string;
  asked_at: Generated<Instant>;
  score: number | null;
  answer_id: string | null;
  has_comment: Generated<boolean>;
  answered_at: Instant | null;
}

/** What models have cost for a contact apart from committed turns. */
interface ContactSpendingTable {
  tenant_id: string;
  contact_id: string;
  /** The hour's place among those that are kept. */
  slot: number;
  hour: Instant;
  micro_usd: BigIntText;
}

interface SlaWatchTable {
  handoff_id: string;
  tenant_id: string;
  conversation_id: string;
  policy: Json;
  seen_seq: Generated<BigIntText>;
  /** When a message may have appeared that was given its number before the newest one. */
  look_again_at: Instant | null;
  ended_at: Instant | null;
}

interface SlaClockTable {
  id: string;
  tenant_id: string;
  conversation_id: string;
  handoff_id: string;
  kind: string;
  priority: string;
  cause_id: string;
  started_at: Instant;
  /** Null: not in sight, because it stands still or people are never there. */
  due_at: Instant | null;
  paused_since: Instant | null;
  stopped_at: Instant | null;
  state: string;
  steps: Json;
  next_step_at: Instant | null;
}

interface SlaStepTable {
  clock_id: string;
  step: string;
  tenant_id: string;
  taken_at: Generated<Instant>;
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

interface NotificationTargetTable {
  id: string;
  tenant_id: string;
  name: string;
  kind: string;
  /** What people may see of where it goes. */
  shown_as: string;
  sealed_address: Buffer;
  wants: string[];
  quiet_hours: Json;
  urgent_passes: Generated<boolean>;
  include_excerpt: Generated<boolean>;
  is_paused: Generated<boolean>;
  created_at: Generated<Instant>;
  updated_at: Generated<Instant>;
}

interface NotificationTable {
  id: string;
  tenant_id: string;
  target_id: string;
  kind: string;
  action: Generated<string>;
  subject_id: string;
  conversation_id: string | null;
  handoff_id: string | null;
  key: string;
  payload: Json;
  state: Generated<string>;
  /** An alarm that somebody's telephone rings for, until it is told that it may stop. */
  is_alarm_open: Generated<boolean>;
  attempts: Generated<number>;
  claim_id: string | null;
  due_at: Generated<Instant>;
  /** When it could first have been said: when it was made, or the end of the quiet hours. */
  waiting_since: Generated<Instant>;
  failure: string | null;
  created_at: Generated<Instant>;
  settled_at: Instant | null;
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
