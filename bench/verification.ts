import type { Client } from 'pg';

/** What the database says has become of every message. */
export interface Outcome {
  readonly accepted: number;
  readonly answered: number;
  readonly handedOver: number;
  readonly open: number;
  readonly replies: number;
  readonly sent: number;
  readonly outOfOrder: number;
}

/** Reads the end of every story: each message in one of its ends, each reply sent, in the order of the questions. */
export async function readOutcome(db: Client): Promise<Outcome> {
  const { rows } = await db.query<Record<keyof Outcome, string>>(`
    with said as (
      select m.conversation_id, m.seq, m.settled_kind, reply.seq as reply_seq
        from message m left join message reply on reply.id = m.settled_by_message_id
       where m.author = 'customer'
    ), ordered as (
      select reply_seq < lag(reply_seq) over (partition by conversation_id order by seq) as is_late from said
    ), sends as (
      select state, sent_at < lag(sent_at) over (partition by conversation_id order by seq) as is_late from outbox
    )
    select (select count(*) from said) as "accepted",
           (select count(*) from said where settled_kind = 'reply') as "answered",
           (select count(*) from said where settled_kind = 'human') as "handedOver",
           (select count(*) from said where settled_kind is null) as "open",
           (select count(*) from sends) as "replies",
           (select count(*) from sends where state = 'sent') as "sent",
           (select count(*) from ordered where is_late) + (select count(*) from sends where is_late) as "outOfOrder"`);
  const [row] = rows;
  if (row === undefined) throw new Error('The database told nothing');
  return {
    accepted: Number(row.accepted),
    answered: Number(row.answered),
    handedOver: Number(row.handedOver),
    open: Number(row.open),
    replies: Number(row.replies),
    sent: Number(row.sent),
    outOfOrder: Number(row.outOfOrder),
  };
}

export interface Seen {
  readonly posted: number;
  readonly accepted: number;
  /** What reached a phone. */
  readonly replies: number;
}

/**
 * Holds what the customers saw against what the database says. Two messages that waited together are answered by one
 * reply, so replies may be fewer than messages; each message still has its own end.
 */
export function problemsOf(seen: Seen, outcome: Outcome): string[] {
  const problems: string[] = [];
  const expect = (what: string, [is, shouldBe]: readonly [number, number]): void => {
    if (is !== shouldBe) problems.push(`${what}: ${is}, and not ${shouldBe}`);
  };
  expect('webhooks answered 200', [seen.accepted, seen.posted]);
  expect('messages stored', [outcome.accepted, seen.accepted]);
  expect('messages answered by a reply', [outcome.answered, outcome.accepted]);
  expect('messages without an end', [outcome.open, 0]);
  expect('replies recorded as sent', [outcome.sent, outcome.replies]);
  expect('replies that reached a phone', [seen.replies, outcome.sent]);
  expect('replies out of order', [outcome.outOfOrder, 0]);
  return problems;
}
