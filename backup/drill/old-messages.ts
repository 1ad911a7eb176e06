import { withSession } from '../database-session.ts';

const QUERY_MS_MAX = 1_800_000;
const MESSAGES_PER_CONVERSATION = 100;

/** Where the history of a company goes. */
export interface Company {
  readonly tenantId: string;
  readonly channelId: string;
}

/**
 * A history of questions and answers, with everything that the product keeps about each: the event with its bytes, the
 * turn with its trace, the bubble with its way out.
 *
 * @param range numbers of messages, the odd ones questions and the even ones their answers.
 */
export async function makeOldMessages(
  databaseUrl: string,
  company: Company,
  range: { readonly from: number; readonly to: number },
): Promise<void> {
  await withSession(databaseUrl, QUERY_MS_MAX, async (session) => {
    await session.query(
      `select set_config('drill.tenant', $1, false), set_config('drill.channel', $2, false),
              set_config('drill.from', $3, false), set_config('drill.to', $4, false)`,
      [company.tenantId, company.channelId, String(range.from), String(range.to)],
    );
    for (const statement of STATEMENTS) await session.query(statement);
    await session.query('analyze');
  });
}

const TENANT = "current_setting('drill.tenant')::uuid";
const CHANNEL = "current_setting('drill.channel')::uuid";
const FROM = "current_setting('drill.from')::int";
const TO = "current_setting('drill.to')::int";
const uuid = (kind: string, number: string): string => `md5('${kind}' || (${number}))::uuid`;
const conversation = uuid('conversation', `(i - 1) / ${MESSAGES_PER_CONVERSATION}`);
const saidAt = "now() - interval '200 days' + i * interval '10 seconds'";
const conversations = `generate_series((${FROM} - 1) / ${MESSAGES_PER_CONVERSATION}, (${TO} - 1) / ${MESSAGES_PER_CONVERSATION}) c`;
const questions = `generate_series(${FROM}, ${TO}, 2) i`;
const answers = `generate_series(${FROM} + 1, ${TO}, 2) i`;

const STATEMENTS = [
  `insert into contact (id, tenant_id) select ${uuid('contact', 'c')}, ${TENANT} from ${conversations}
     on conflict do nothing`,
  `insert into conversation (id, tenant_id, channel_id, contact_id)
     select ${uuid('conversation', 'c')}, ${TENANT}, ${CHANNEL}, ${uuid('contact', 'c')} from ${conversations}
     on conflict do nothing`,
  `insert into inbound_event (id, tenant_id, channel_id, dedupe_key, kind, conversation_id, raw, request_id, received_at)
     select ${uuid('message', 'i')}, ${TENANT}, ${CHANNEL}, 'drill-' || i, 'message', ${conversation},
            convert_to(repeat(md5('raw' || i), 20), 'UTF8'), 'drill', ${saidAt} from ${questions}`,
  `insert into message (id, tenant_id, conversation_id, author, kind, text, provider_message_id, said_at, received_at,
                        settled_kind, settled_by_message_id, settled_turn_id, settled_at)
     select ${uuid('message', 'i')}, ${TENANT}, ${conversation}, 'customer', 'text',
            'Bom dia! Queria saber o preço do pedido número ' || i || ' e quando ele chega, por favor.', 'DRILL' || i,
            ${saidAt}, ${saidAt}, 'reply', ${uuid('message', 'i + 1')}, ${uuid('turn', 'i')}, ${saidAt} from ${questions}`,
  `insert into message (id, tenant_id, conversation_id, author, kind, text, said_at, received_at)
     select ${uuid('message', 'i')}, ${TENANT}, ${conversation}, 'bot', 'text',
            'Bom dia! O pedido número ' || i || ' custa R$ ' || i % 300 || ',00 e chega em até 60 minutos. ' ||
            'Aceitamos Pix, dinheiro e cartão.', ${saidAt}, ${saidAt} from ${answers}`,
  `insert into turn (id, tenant_id, conversation_id, outcome, owner_epoch, fence, trace, started_at, finished_at)
     select ${uuid('turn', 'i')}, ${TENANT}, ${conversation}, 'replied', 0, 1,
            jsonb_build_object('passages', repeat(md5('trace' || i), 15)), ${saidAt}, ${saidAt} from ${questions}`,
  `insert into outbox (id, tenant_id, channel_id, conversation_id, message_id, turn_id, part, text_hash, epoch, state,
                       deadline_at, sent_at, created_at)
     select ${uuid('bubble', 'i')}, ${TENANT}, ${CHANNEL}, ${conversation}, ${uuid('message', 'i')}, ${uuid('turn', 'i - 1')},
            0, sha256(convert_to(i::text, 'UTF8')), 0, 'read', ${saidAt}, ${saidAt}, ${saidAt} from ${answers}`,
];
