import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/**
 * The whole of the first data model. Read docs/ARCHITECTURE.md, "Data and locks", beside it.
 *
 * Three habits run through it. Every row names its tenant, and every index that serves a tenant's query begins with the
 * tenant. Every column that can hold free content says its data class in a comment (see README.md here), so that
 * retention and erasure are generated from the catalogue. And nothing that intake inserts refers to a row by a key that
 * anybody updates, so that a lock on a conversation never blocks an insert.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

/** For development only: data is gone. The role stays when another database of the server still uses it. */
export async function down(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      `drop table contact_spending, sla_step, sla_clock, sla_watch, csat_survey, consent_event, notification, notification_target, handoff_packet, ticket_state, ticket_return, handoff_transfer, heartbeat, backup_record, dead_letter, passage, knowledge_document, handoff, outbox, turn, echo, message, inbound_event,
         conversation, contact_alias, contact, channel_pacing, channel, api_key, tenant cascade`,
    )
    .execute(db);
  await sql.raw('drop function if exists plantao_fold(text), plantao_current_tenant()').execute(db);
  await sql.raw('drop text search configuration if exists plantao_portuguese').execute(db);
  await sql.raw('drop extension if exists unaccent, pg_trgm').execute(db);
  await sql.raw('drop owned by plantao_tenant').execute(db);
}

const EXTENSIONS = [
  'create extension if not exists pg_trgm',
  'create extension if not exists unaccent',
  // Roles belong to the server, not to the database: another database may have made it already.
  `do $$ begin
     if not exists (select from pg_roles where rolname = 'plantao_tenant') then create role plantao_tenant nologin; end if;
   exception when duplicate_object or unique_violation then null; end $$`,
  'grant plantao_tenant to current_user',
  'grant usage on schema public to plantao_tenant',
  `create function plantao_current_tenant() returns uuid language sql stable parallel safe
     as $$ select nullif(current_setting('plantao.tenant_id', true), '')::uuid $$`,
  // unaccent() is only stable, because its dictionary could be changed; ours never is, and an index needs immutable.
  `create function plantao_fold(text) returns text language sql immutable strict parallel safe
     as $$ select lower(public.unaccent('public.unaccent', $1)) $$`,
  'create text search configuration plantao_portuguese (copy = portuguese)',
  `alter text search configuration plantao_portuguese
     alter mapping for hword, hword_part, word with public.unaccent, portuguese_stem`,
];

const TENANTS = [
  `create table tenant (
     id uuid primary key,
     slug text not null unique check (slug ~ '^[a-z0-9](-?[a-z0-9])*$' and length(slug) <= 63),
     name text not null check (length(name) between 1 and 200),
     plan text,
     locale text not null default 'pt-BR',
     time_zone text not null default 'America/Sao_Paulo',
     settings jsonb not null default '{}',
     sealed_data_key bytea not null,
     created_at timestamptz not null default now()
   )`,
  `create table api_key (
     id uuid primary key,
     tenant_id uuid not null references tenant on delete cascade,
     name text not null,
     role text not null check (role in ('admin', 'agent', 'viewer')),
     key_hash bytea not null unique,
     created_at timestamptz not null default now(),
     revoked_at timestamptz
   )`,
  'create index api_key_of_tenant on api_key (tenant_id, created_at)',
  `create table channel (
     id uuid primary key,
     tenant_id uuid not null references tenant on delete cascade,
     name text not null,
     kind text not null check (kind in ('whaticket')),
     gateway_profile text not null check (gateway_profile in ('community', 'launcherbr', 'ticketz', 'hosted')),
     gateway_base_url text not null,
     gateway_connection_id text,
     sealed_credentials bytea not null,
     webhook_auth text not null check (webhook_auth in ('hmac', 'bearer', 'url-secret')),
     webhook_header text,
     sealed_webhook_secrets bytea not null,
     on_unknown text not null default 'hand-over' check (on_unknown in ('hand-over', 'resend')),
     handoff_queue_id integer,
     handoff_user_id integer,
     handoff_queues jsonb not null default '{}',
     bot_queue_id integer,
     handoff_not_people integer[] not null default '{}',
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now(),
     unique (tenant_id, id)
   )`,
  // Apart from channel, because it changes with every message: a lock here must not touch the row foreign keys point at.
  `create table channel_pacing (
     channel_id uuid primary key references channel on delete cascade,
     tenant_id uuid not null references tenant on delete cascade,
     next_send_at timestamptz not null
   )`,
  'create index channel_pacing_of_tenant on channel_pacing (tenant_id)',
];

const PEOPLE = [
  `create table contact (
     id uuid primary key,
     tenant_id uuid not null references tenant on delete cascade,
     sealed_name bytea,
     tags text[] not null default '{}',
     created_at timestamptz not null default now(),
     unique (tenant_id, id)
   )`,
  `create table contact_alias (
     tenant_id uuid not null,
     kind text not null check (kind in ('phone', 'lid', 'ticket')),
     blind_index bytea not null,
     contact_id uuid not null,
     sealed_address bytea not null,
     created_at timestamptz not null default now(),
     primary key (tenant_id, kind, blind_index),
     foreign key (tenant_id, contact_id) references contact (tenant_id, id) on delete cascade
   )`,
  'create index contact_alias_of_contact on contact_alias (tenant_id, contact_id)',
  `create table conversation (
     id uuid primary key,
     tenant_id uuid not null,
     channel_id uuid not null,
     contact_id uuid not null,
     gateway_ticket_id text,
     owner text not null default 'bot' check (owner in ('bot', 'human', 'nobody')),
     owner_reason text,
     owner_since timestamptz not null default now(),
     owner_lapses_at timestamptz,
     epoch integer not null default 0,
     episode_started_at timestamptz not null default now(),
     unsure_in_a_row smallint not null default 0,
     introduced_at timestamptz,
     away_said_at timestamptz,
     lease_owner uuid,
     lease_until timestamptz,
     fence bigint not null default 0,
     attempts smallint not null default 0,
     deaths smallint not null default 0,
     created_at timestamptz not null default now(),
     unique (tenant_id, id),
     unique (channel_id, contact_id),
     foreign key (tenant_id, channel_id) references channel (tenant_id, id) on delete cascade,
     foreign key (tenant_id, contact_id) references contact (tenant_id, id)
   ) with (fillfactor = 70)`,
  'create index conversation_newest on conversation (tenant_id, created_at desc, id desc)',
  'create index conversation_of_contact on conversation (contact_id, tenant_id)',
  'create index conversation_of_channel on conversation (tenant_id, channel_id)',
  `create index conversation_by_ticket on conversation (channel_id, gateway_ticket_id) where gateway_ticket_id is not null`,
  `create index conversation_with_people on conversation (channel_id) where owner = 'human'`,
];

const MESSAGES = [
  // What arrived, once. The unique key is the only judge of what is a duplicate. Raw bytes go after 30 days, the row stays.
  // No foreign key: this is a log, written at every webhook by a channel that was just read, and it may outlive the channel.
  `create table inbound_event (
     id uuid primary key,
     tenant_id uuid not null,
     channel_id uuid not null,
     dedupe_key text not null,
     kind text not null check (kind in
       ('message', 'echo', 'group', 'status', 'reaction', 'edit', 'deletion', 'ticket', 'system', 'unknown')),
     conversation_id uuid,
     raw bytea,
     request_id text not null,
     received_at timestamptz not null default now(),
     applied_at timestamptz,
     unique (channel_id, dedupe_key)
   )`,
  // Edits, deletions, statuses and events of tickets that have changed nothing yet: almost always none.
  `create index inbound_event_unapplied on inbound_event (received_at)
     where kind in ('status', 'edit', 'deletion', 'ticket') and applied_at is null`,
  'create index inbound_event_newest on inbound_event (tenant_id, channel_id, received_at desc)',
  'create index inbound_event_by_age on inbound_event using brin (received_at)',
  // A customer's message has the id of the event that brought it.
  `create table message (
     id uuid primary key,
     tenant_id uuid not null,
     conversation_id uuid not null,
     seq bigint generated always as identity,
     author text not null check (author in ('customer', 'bot', 'human')),
     kind text not null,
     text text,
     quoted_text text,
     provider_message_id text,
     said_at timestamptz not null,
     received_at timestamptz not null default now(),
     answer_after timestamptz,
     request_id text,
     traceparent text,
     edited_at timestamptz,
     deleted_at timestamptz,
     settled_kind text check (settled_kind in ('reply', 'human', 'recorded')),
     settled_reason text,
     settled_by_message_id uuid,
     settled_turn_id uuid,
     settled_at timestamptz,
     check ((settled_kind is null) = (settled_at is null)),
     check (settled_kind is distinct from 'reply' or settled_by_message_id is not null),
     check (settled_kind is distinct from 'recorded' or settled_reason is not null),
     foreign key (tenant_id, conversation_id) references conversation (tenant_id, id) on delete cascade
   )`,
  'create index message_in_order on message (tenant_id, conversation_id, said_at, seq)',
  'create index message_by_arrival on message (conversation_id, seq)',
  'create index message_by_provider_id on message (conversation_id, provider_message_id) where provider_message_id is not null',
  // The mailbox: small however long the history is, because a settled message leaves it.
  `create index message_unsettled on message (conversation_id, received_at) include (answer_after, tenant_id)
     where author = 'customer' and settled_at is null`,
  // What the gateway reports as said by our side, until it is known whose words they were.
  `create table echo (
     id uuid primary key,
     tenant_id uuid not null,
     conversation_id uuid not null,
     text text,
     text_hash bytea not null,
     is_automatic boolean not null,
     provider_message_id text,
     said_at timestamptz not null,
     received_at timestamptz not null default now(),
     settled_as text check (settled_as in ('ours', 'human', 'automatic', 'late')),
     settled_at timestamptz,
     foreign key (tenant_id, conversation_id) references conversation (tenant_id, id) on delete cascade
   )`,
  'create index echo_unsettled on echo (conversation_id, received_at) where settled_at is null',
  'create index echo_of_tenant on echo (tenant_id, conversation_id)',
];

const TURNS = [
  `create table turn (
     id uuid primary key,
     tenant_id uuid not null,
     conversation_id uuid not null,
     outcome text not null,
     owner_epoch integer not null,
     fence bigint not null,
     trace jsonb not null,
     cost_micro_usd bigint generated always as (round((trace ->> 'costUsd')::numeric * 1000000)::bigint) stored,
     started_at timestamptz not null,
     finished_at timestamptz not null default now(),
     foreign key (tenant_id, conversation_id) references conversation (tenant_id, id) on delete cascade
   )`,
  'create index turn_newest on turn (tenant_id, conversation_id, finished_at desc)',
  // One row per bubble. The text is the message's, and with the message it goes; this is only its way out.
  `create table outbox (
     id uuid primary key,
     tenant_id uuid not null,
     channel_id uuid not null,
     conversation_id uuid not null,
     message_id uuid not null references message on delete cascade,
     turn_id uuid not null,
     part smallint not null,
     seq bigint generated always as identity,
     text_hash bytea not null,
     epoch integer not null,
     state text not null default 'pending' check (state in
       ('pending', 'sending', 'unknown', 'sent', 'delivered', 'read', 'failed', 'dropped')),
     attempts smallint not null default 0,
     resends smallint not null default 0,
     due_at timestamptz not null default now(),
     deadline_at timestamptz not null,
     paced_at timestamptz,
     sending_since timestamptz,
     claim_id uuid,
     unknown_since timestamptz,
     read_backs smallint not null default 0,
     sent_at timestamptz,
     settled_by text,
     echo_id uuid,
     provider_message_id text,
     failure text,
     history jsonb not null default '[]',
     request_id text,
     traceparent text,
     asked_at timestamptz,
     calls_person boolean not null default true,
     created_at timestamptz not null default now(),
     unique (turn_id, part)
   ) with (fillfactor = 70)`,
  `create index outbox_open on outbox (conversation_id, seq) where state in ('pending', 'sending', 'unknown')`,
  `create index outbox_due on outbox (due_at) where state in ('pending', 'sending', 'unknown')`,
  'create index outbox_by_text on outbox (tenant_id, conversation_id, text_hash, seq)',
  'create index outbox_by_message on outbox (message_id)',
  'create index outbox_by_provider_id on outbox (channel_id, provider_message_id) where provider_message_id is not null',
  `create table handoff (
     id uuid primary key,
     tenant_id uuid not null,
     conversation_id uuid not null,
     state text not null check (state in ('waiting', 'taken', 'returned', 'closed')),
     reason text not null,
     rule text,
     destination text,
     priority text not null default 'normal' check (priority in ('low', 'normal', 'high', 'urgent')),
     requested_at timestamptz not null default now(),
     taken_at timestamptz,
     ended_at timestamptz,
     packet_at timestamptz,
     transfer_at timestamptz,
     unique (tenant_id, id),
     foreign key (tenant_id, conversation_id) references conversation (tenant_id, id) on delete cascade
   )`,
  `create unique index handoff_open on handoff (conversation_id) where state in ('waiting', 'taken')`,
  'create index handoff_of_conversation on handoff (tenant_id, conversation_id)',
  `create index handoff_waiting on handoff (tenant_id, requested_at) where state = 'waiting'`,
  `create table dead_letter (
     id uuid primary key,
     tenant_id uuid not null references tenant on delete cascade,
     stage text not null check (stage in ('intake', 'turn', 'delivery', 'knowledge', 'notification', 'handoff')),
     subject_id uuid not null,
     conversation_id uuid,
     reason text not null,
     payload jsonb not null,
     history jsonb not null default '[]',
     state text not null default 'open' check (state in ('open', 'replayed', 'discarded', 'resolved')),
     created_at timestamptz not null default now(),
     settled_at timestamptz,
     settled_by text
   )`,
  'create index dead_letter_newest on dead_letter (tenant_id, created_at desc, id desc)',
  `create unique index dead_letter_open_once on dead_letter (subject_id) where state = 'open'`,
];

/** What a person who is called is told about the conversation. */
const PACKETS = [
  'create index handoff_without_packet on handoff (requested_at) where packet_at is null',
  // Apart from handoff, because it holds words; `improve_at` is when a model may try next to write it better.
  `create table handoff_packet (
     handoff_id uuid primary key,
     tenant_id uuid not null,
     written_by text not null check (written_by in ('rule', 'model')),
     packet jsonb not null,
     tries smallint not null default 0,
     improve_at timestamptz,
     written_at timestamptz not null default now(),
     foreign key (tenant_id, handoff_id) references handoff (tenant_id, id) on delete cascade
   )`,
  'create index handoff_packet_of_tenant on handoff_packet (tenant_id, handoff_id)',
  'create index handoff_packet_to_improve on handoff_packet (improve_at) where improve_at is not null',
];

/** Whom of its people a tenant tells that a person is needed, and what is still to be told. */
const NOTIFICATIONS = [
  `create table notification_target (
     id uuid primary key,
     tenant_id uuid not null references tenant on delete cascade,
     name text not null,
     kind text not null check (kind in ('slack', 'pagerduty', 'email', 'webhook')),
     shown_as text not null,
     sealed_address bytea not null,
     wants text[] not null,
     quiet_hours jsonb,
     urgent_passes boolean not null default false,
     include_excerpt boolean not null default false,
     is_paused boolean not null default false,
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now(),
     unique (tenant_id, id)
   )`,
  'create index notification_target_newest on notification_target (tenant_id, created_at desc, id desc)',
  // What is told twice is one row: the key is the only judge. `waiting_since` is when it could first have been said.
  `create table notification (
     id uuid primary key,
     tenant_id uuid not null,
     target_id uuid not null,
     kind text not null check (kind in ('handoff', 'sla-warning', 'sla-breach', 'dead-letter')),
     action text not null default 'tell' check (action in ('tell', 'resolve')),
     subject_id uuid not null,
     conversation_id uuid,
     handoff_id uuid,
     key text not null check (length(key) <= 200),
     payload jsonb not null default '{}',
     state text not null default 'pending' check (state in ('pending', 'sent', 'moot', 'failed')),
     is_alarm_open boolean not null default false,
     attempts smallint not null default 0,
     claim_id uuid,
     due_at timestamptz not null default now(),
     waiting_since timestamptz not null default now(),
     failure text,
     created_at timestamptz not null default now(),
     settled_at timestamptz,
     unique (target_id, key),
     foreign key (tenant_id, target_id) references notification_target (tenant_id, id) on delete cascade
   ) with (fillfactor = 70)`,
  'create index notification_of_target on notification (tenant_id, target_id, created_at)',
  `create index notification_due on notification (due_at) where state = 'pending'`,
  'create index notification_alarms on notification (handoff_id) where is_alarm_open',
  'create index notification_settled on notification (settled_at) where settled_at is not null and not is_alarm_open',
];

/** Tickets in the gateway's own panel, where people work. */
const TICKETS = [
  // How the ticket of a called person gets there. `queue_id` and `user_id` are where it was sent at the last attempt;
  // `is_there`: it was seen there, and what is tried again is the note alone.
  `create table handoff_transfer (
     handoff_id uuid primary key,
     tenant_id uuid not null,
     conversation_id uuid not null,
     state text not null default 'pending' check (state in
       ('pending', 'moving', 'verified', 'failed', 'not-possible', 'moot')),
     reason text,
     ticket_id text,
     queue_id integer,
     user_id integer,
     note_state text check (note_state in ('writing', 'written', 'not-possible', 'failed')),
     is_there boolean not null default false,
     attempts smallint not null default 0,
     due_at timestamptz not null default now(),
     claim_id uuid,
     history jsonb not null default '[]',
     created_at timestamptz not null default now(),
     settled_at timestamptz,
     foreign key (tenant_id, handoff_id) references handoff (tenant_id, id) on delete cascade
   ) with (fillfactor = 70)`,
  `create index handoff_without_transfer on handoff (requested_at) where state = 'waiting' and transfer_at is null`,
  'create index handoff_transfer_of_tenant on handoff_transfer (tenant_id, handoff_id)',
  `create index handoff_transfer_due on handoff_transfer (due_at) where state in ('pending', 'moving')`,
  // How the ticket of a conversation that is no person's any more gets back to the bot, or is closed.
  `create table ticket_return (
     conversation_id uuid primary key,
     tenant_id uuid not null,
     goal text not null check (goal in ('bot', 'closed')),
     state text not null default 'pending' check (state in
       ('pending', 'moving', 'verified', 'failed', 'not-possible', 'moot')),
     reason text,
     attempts smallint not null default 0,
     due_at timestamptz not null default now(),
     claim_id uuid,
     history jsonb not null default '[]',
     settled_at timestamptz,
     foreign key (tenant_id, conversation_id) references conversation (tenant_id, id) on delete cascade
   ) with (fillfactor = 70)`,
  'create index ticket_return_of_tenant on ticket_return (tenant_id, conversation_id)',
  `create index ticket_return_due on ticket_return (due_at) where state in ('pending', 'moving')`,
  // What the gateway last showed of a conversation's ticket: only a change means anything.
  `create table ticket_state (
     conversation_id uuid primary key,
     tenant_id uuid not null,
     ticket_id text,
     status text,
     queue_id integer,
     user_id integer,
     seen_at timestamptz,
     looked_at timestamptz,
     foreign key (tenant_id, conversation_id) references conversation (tenant_id, id) on delete cascade
   ) with (fillfactor = 70)`,
  'create index ticket_state_of_tenant on ticket_state (tenant_id, conversation_id)',
];

/** What a contact has allowed us, and what a customer said of the service. */
const COURTESIES = [
  // Added, never changed: the newest event of a contact is what holds, on every channel of the tenant.
  `create table consent_event (
     id uuid primary key,
     tenant_id uuid not null,
     contact_id uuid not null,
     seq bigint generated always as identity,
     kind text not null check (kind in ('opt-out', 'opt-in')),
     source text not null check (source in ('message', 'person')),
     message_id uuid,
     at timestamptz not null default now(),
     foreign key (tenant_id, contact_id) references contact (tenant_id, id) on delete cascade
   )`,
  'create index consent_event_of_contact on consent_event (tenant_id, contact_id, seq desc)',
  'create unique index consent_event_once on consent_event (message_id) where message_id is not null',
  // One question for each closing. The key is what asks it once.
  `create table csat_survey (
     id uuid primary key,
     tenant_id uuid not null,
     conversation_id uuid not null,
     epoch integer not null,
     question_id uuid not null,
     asked_at timestamptz not null default now(),
     score smallint check (score between 1 and 5),
     answer_id uuid,
     has_comment boolean not null default false,
     answered_at timestamptz,
     unique (conversation_id, epoch),
     foreign key (tenant_id, conversation_id) references conversation (tenant_id, id) on delete cascade,
     check ((score is null) = (answered_at is null))
   )`,
  'create index csat_survey_of_conversation on csat_survey (tenant_id, conversation_id, asked_at desc)',
  'create index csat_survey_newest on csat_survey (tenant_id, asked_at)',
  `create index conversation_closed on conversation (owner_since) where owner = 'nobody'`,
];

/** What customers are promised once people are to answer, and how that stands. */
const SLA = [
  // One row for each handoff that is watched: the promise as it was when it began, and how far its messages were read.
  `create table sla_watch (
     handoff_id uuid primary key,
     tenant_id uuid not null,
     conversation_id uuid not null,
     policy jsonb not null,
     seen_seq bigint not null default 0,
     look_again_at timestamptz,
     ended_at timestamptz,
     foreign key (tenant_id, handoff_id) references handoff (tenant_id, id) on delete cascade
   )`,
  'create index sla_watch_of_tenant on sla_watch (tenant_id, handoff_id)',
  'create index sla_watch_open on sla_watch (handoff_id) where ended_at is null',
  'create index sla_watch_again on sla_watch (look_again_at) where look_again_at is not null',
  // `cause_id` is what started the clock: the handoff, or the message that waits for an answer.
  `create table sla_clock (
     id uuid primary key,
     tenant_id uuid not null,
     conversation_id uuid not null,
     handoff_id uuid not null,
     kind text not null check (kind in ('first-response', 'next-response', 'resolution')),
     priority text not null check (priority in ('low', 'normal', 'high', 'urgent')),
     cause_id uuid not null,
     started_at timestamptz not null,
     due_at timestamptz,
     paused_since timestamptz,
     stopped_at timestamptz,
     state text not null check (state in ('running', 'paused', 'breached', 'met', 'missed', 'ended')),
     steps jsonb not null,
     next_step_at timestamptz,
     unique (handoff_id, kind, cause_id),
     unique (tenant_id, id),
     foreign key (tenant_id, handoff_id) references handoff (tenant_id, id) on delete cascade
   ) with (fillfactor = 70)`,
  'create index sla_clock_of_handoff on sla_clock (tenant_id, handoff_id)',
  'create index sla_clock_due on sla_clock (next_step_at) where next_step_at is not null',
  'create index sla_clock_open on sla_clock (tenant_id, conversation_id) where stopped_at is null',
  // A step that was taken. The key is the only judge of that, whatever clocks and processes do.
  `create table sla_step (
     clock_id uuid not null,
     step text not null,
     tenant_id uuid not null,
     taken_at timestamptz not null default clock_timestamp(),
     primary key (clock_id, step),
     foreign key (tenant_id, clock_id) references sla_clock (tenant_id, id) on delete cascade
   )`,
  'create index sla_step_of_tenant on sla_step (tenant_id, clock_id)',
];

/** What models have cost for a contact apart from committed turns, by the hour; an hour takes the place of one that is long over. */
const SPENDING = [
  `create table contact_spending (
     tenant_id uuid not null,
     contact_id uuid not null,
     slot smallint not null,
     hour timestamptz not null,
     micro_usd bigint not null,
     primary key (tenant_id, contact_id, slot),
     foreign key (tenant_id, contact_id) references contact (tenant_id, id) on delete cascade
   ) with (fillfactor = 70)`,
];

/** What belongs to no tenant. */
const PLATFORM = [
  // When each kind of backup last came to a good end, for the metrics of the workers. Written by `npm run backup`.
  `create table backup_record (
     kind text primary key check (kind in ('base', 'wal', 'verify', 'drill')),
     succeeded_at timestamptz not null
   )`,
  'alter table backup_record enable row level security',
  'create policy of_no_tenant on backup_record to plantao_tenant using (false)',
  // When the newest heartbeat was made that has passed a stage. Three rows, written every ten seconds.
  `create table heartbeat (
     stage text primary key check (stage in ('intake', 'turn', 'delivery')),
     beat_at timestamptz not null
   ) with (fillfactor = 50)`,
  'alter table heartbeat enable row level security',
  'create policy of_no_tenant on heartbeat to plantao_tenant using (false)',
];

const KNOWLEDGE = [
  `create table knowledge_document (
     id uuid primary key,
     tenant_id uuid not null references tenant on delete cascade,
     title text not null,
     url text,
     text text,
     state text not null default 'waiting' check (state in ('waiting', 'indexing', 'ready', 'failed')),
     failure text,
     valid_from timestamptz,
     valid_until timestamptz,
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now(),
     unique (tenant_id, id)
   )`,
  'create index knowledge_document_newest on knowledge_document (tenant_id, created_at desc, id desc)',
  `create index knowledge_document_unfinished on knowledge_document (updated_at) where state in ('waiting', 'indexing')`,
  `create table passage (
     id uuid primary key,
     tenant_id uuid not null,
     document_id uuid not null,
     ordinal integer not null,
     title text not null,
     text text not null,
     valid_from timestamptz,
     valid_until timestamptz,
     folded_title text generated always as (plantao_fold(title)) stored,
     title_words tsvector generated always as (strip(to_tsvector('plantao_portuguese', title))) stored,
     words tsvector generated always as (strip(to_tsvector('plantao_portuguese', title || ' ' || text))) stored,
     unique (document_id, ordinal),
     foreign key (tenant_id, document_id) references knowledge_document (tenant_id, id) on delete cascade
   )`,
  'create index passage_of_tenant on passage (tenant_id, document_id)',
  'create index passage_words on passage using gin (words)',
  'create index passage_title_trigrams on passage using gin (folded_title gin_trgm_ops)',
];

/** Every table of a tenant, and its column that names the tenant. */
const TENANT_TABLES: readonly (readonly [table: string, column: string])[] = [
  ['tenant', 'id'],
  ['api_key', 'tenant_id'],
  ['channel', 'tenant_id'],
  ['channel_pacing', 'tenant_id'],
  ['contact', 'tenant_id'],
  ['contact_alias', 'tenant_id'],
  ['conversation', 'tenant_id'],
  ['inbound_event', 'tenant_id'],
  ['message', 'tenant_id'],
  ['echo', 'tenant_id'],
  ['turn', 'tenant_id'],
  ['outbox', 'tenant_id'],
  ['handoff', 'tenant_id'],
  ['handoff_packet', 'tenant_id'],
  ['handoff_transfer', 'tenant_id'],
  ['ticket_return', 'tenant_id'],
  ['ticket_state', 'tenant_id'],
  ['consent_event', 'tenant_id'],
  ['csat_survey', 'tenant_id'],
  ['contact_spending', 'tenant_id'],
  ['sla_watch', 'tenant_id'],
  ['sla_clock', 'tenant_id'],
  ['sla_step', 'tenant_id'],
  ['dead_letter', 'tenant_id'],
  ['notification_target', 'tenant_id'],
  ['notification', 'tenant_id'],
  ['knowledge_document', 'tenant_id'],
  ['passage', 'tenant_id'],
];

const ROW_LEVEL_SECURITY = TENANT_TABLES.flatMap(([table, column]) => [
  `alter table ${table} enable row level security`,
  `create policy tenant_only on ${table} to plantao_tenant
     using (${column} = plantao_current_tenant()) with check (${column} = plantao_current_tenant())`,
  `grant select, insert, update, delete on ${table} to plantao_tenant`,
]);

/** Data classes: the README of this folder says what each one means and how long it is kept. */
const DATA_CLASSES: Readonly<Record<string, string>> = {
  'tenant.sealed_data_key': 'credential',
  'tenant.settings': 'configuration',
  'api_key.key_hash': 'credential',
  'channel.sealed_credentials': 'credential',
  'channel.sealed_webhook_secrets': 'credential',
  'contact.sealed_name': 'identity',
  'contact_alias.blind_index': 'identity',
  'contact_alias.sealed_address': 'identity',
  'inbound_event.raw': 'raw',
  'message.text': 'content',
  'message.quoted_text': 'content',
  'echo.text': 'content',
  'echo.text_hash': 'content',
  'turn.trace': 'content',
  'outbox.text_hash': 'content',
  'handoff_packet.packet': 'content',
  'outbox.history': 'operation',
  'channel.handoff_queues': 'configuration',
  'handoff_transfer.history': 'operation',
  'ticket_return.history': 'operation',
  'sla_watch.policy': 'configuration',
  'sla_clock.steps': 'operation',
  'dead_letter.payload': 'content',
  'dead_letter.history': 'operation',
  'notification_target.sealed_address': 'credential',
  'notification_target.quiet_hours': 'configuration',
  'notification.payload': 'operation',
  'knowledge_document.text': 'knowledge',
  'passage.text': 'knowledge',
  'passage.folded_title': 'knowledge',
  'passage.title_words': 'knowledge',
  'passage.words': 'knowledge',
};

const COMMENTS = Object.entries(DATA_CLASSES).map(
  ([column, dataClass]) => `comment on column ${column} is 'data-class: ${dataClass}'`,
);

const STATEMENTS = [
  ...EXTENSIONS,
  ...TENANTS,
  ...PEOPLE,
  ...MESSAGES,
  ...TURNS,
  ...PACKETS,
  ...NOTIFICATIONS,
  ...COURTESIES,
  ...KNOWLEDGE,
  ...TICKETS,
  ...SLA,
  ...SPENDING,
  ...PLATFORM,
  ...ROW_LEVEL_SECURITY,
  ...COMMENTS,
];
