import * as units from '@grafana/grafana-foundation-sdk/units';
import { board } from './board.ts';
import type { Row } from './board.ts';
import { graph, stack, stat } from './panels.ts';
import { counted, countedOrNone, events, largest, perMinute, percentiles, quantile } from './queries.ts';

const PER_MINUTE = 'suffix: /min';

const now: Row = {
  title: 'Is a customer waiting?',
  panels: [
    stat({
      title: 'A customer whom nobody looks after',
      unit: units.Seconds,
      shows:
        'How long the customer has waited whom neither a turn, a delivery nor a person is looking after; 0 when there is none.',
      act: 'Find the conversation and give it to a person first.',
      alert: 'PromiseBroken',
      red: { above: 30 },
      queries: [{ expr: largest('plantao_promise_oldest_violation_seconds'), legend: 'stranded for' }],
    }),
    stat({
      title: 'Oldest message without a decision',
      unit: units.Seconds,
      shows: 'Age of the oldest message of a customer that has neither a reply, a person nor a recorded reason.',
      act: 'See in the queues whether turns are taken at all, then here how they end.',
      alert: 'QueueBacklog',
      next: 'plantao-queues',
      red: { above: 60 },
      queries: [{ expr: largest('plantao_inbox_oldest_unprocessed_seconds'), legend: 'oldest' }],
    }),
    stat({
      title: 'Waiting for a person',
      unit: units.Short,
      shows: 'Open handoffs that nobody has taken.',
      act: 'Call more people; the reasons below say why so many were called for.',
      alert: 'HandoffsWaiting',
      red: { above: 20 },
      queries: [{ expr: largest('plantao_handoffs_waiting'), legend: 'waiting' }],
    }),
    stat({
      title: 'Ended without a person',
      unit: units.PercentUnit,
      shows:
        'Of the turns of the time shown that said something to a customer or called a person: those that needed no person.',
      act: 'Compare with the weeks before. A fall after new knowledge or another model is their doing.',
      alert: 'HandoffsWaiting',
      next: 'plantao-tenants',
      queries: [
        {
          expr: `1 - ${countedOrNone('plantao_turns_total{outcome="handed-off"}')} / (${counted('plantao_turns_total{outcome=~"replied|asked-back|handed-off"}')} > 0)`,
          legend: 'without a person',
        },
      ],
    }),
    graph({
      title: 'From the message to the first bubble',
      unit: units.Seconds,
      shows: 'What a customer waits for, from the acceptance of the message until the gateway took the answer.',
      act: 'The duration of turns below is the part of the model; what is left is waiting and the gateway.',
      alert: 'ReplyBudgetBurn',
      next: 'plantao-model',
      red: { above: 15 },
      queries: percentiles('plantao_message_e2e_seconds'),
    }),
    graph({
      title: 'Age of the last heartbeat',
      unit: units.Seconds,
      shows:
        'A message of our own goes through every stage all the time; this is how long ago the newest one passed each.',
      act: 'The first stage whose line rises is where everything stops; those after it only follow.',
      alert: 'HeartbeatLate',
      next: 'plantao-queues',
      red: { above: 60 },
      queries: [{ expr: largest('plantao_heartbeat_age_seconds', 'stage'), legend: '{{stage}}' }],
    }),
  ],
};

const turns: Row = {
  title: 'Turns',
  panels: [
    stack({
      title: 'How turns end',
      unit: PER_MINUTE,
      shows: 'Turns that decided something. A turn ends in a reply, a question back, a person, or a recorded reason.',
      act: 'Growing failures: open the model. Many superseded or overtaken ones: customers write while the bot thinks.',
      alert: 'ReplyBudgetBurn',
      next: 'plantao-model',
      queries: [
        {
          expr: perMinute('plantao_turns_total{outcome!~"nothing-to-answer|not-due|busy|suspect"}', 'outcome'),
          legend: '{{outcome}}',
        },
      ],
    }),
    stack({
      title: 'Turns with nothing to decide',
      unit: PER_MINUTE,
      shows:
        'Wakes that found nothing due, or a conversation that somebody else had: the price of ringing too often instead of too seldom.',
      act: 'Some are usual. Many more `busy` than decided turns: leases are held for long, so turns are slow.',
      alert: 'QueueBacklog',
      next: 'plantao-queues',
      queries: [
        {
          expr: perMinute('plantao_turns_total{outcome=~"nothing-to-answer|not-due|busy|suspect"}', 'outcome'),
          legend: '{{outcome}}',
        },
      ],
    }),
    graph({
      title: 'Duration of a turn',
      unit: units.Seconds,
      shows: 'From the lease to the commit, for turns that decided something.',
      act: 'Nearly all of it is the model. If its time has not grown, see how long turns wait for a connection.',
      alert: 'ModelSlow',
      next: 'plantao-model',
      red: { above: 15 },
      queries: percentiles('plantao_turn_duration_seconds'),
    }),
    graph({
      title: 'Duration of a turn by its end, p95',
      unit: units.Seconds,
      shows: 'The same by how the turn ended: failed ones usually cost a whole deadline.',
      act: 'Slow `failed` and fast `replied`: the first model times out and the second one answers.',
      alert: 'ModelSlow',
      next: 'plantao-model',
      queries: [
        { expr: quantile('plantao_turn_duration_seconds', { percent: 95, by: 'outcome' }), legend: '{{outcome}}' },
      ],
    }),
  ],
};

const people: Row = {
  title: 'People',
  panels: [
    stack({
      title: 'Why people are called',
      unit: PER_MINUTE,
      shows: 'Conversations given to a person, by reason.',
      act: '`model-unavailable`, `turn-failed`, `delivery-failed`: ours to repair. `customer-asked`, `unsure-twice`: knowledge is missing.',
      alert: 'HandoffsWaiting',
      next: 'plantao-tenants',
      queries: [{ expr: perMinute('plantao_handoffs_total', 'reason'), legend: '{{reason}}' }],
    }),
    graph({
      title: 'Customers who wait for a person',
      unit: units.Short,
      shows: 'Open handoffs that nobody has taken.',
      act: 'A line that only rises means that nobody works on them, or that takeovers do not reach us.',
      alert: 'HandoffsWaiting',
      red: { above: 20 },
      queries: [{ expr: largest('plantao_handoffs_waiting'), legend: 'waiting' }],
    }),
    stack({
      title: 'Clocks of customers who wait for people',
      unit: units.Short,
      shows:
        'Of what tenants promise for the time in which people answer: what runs, stands still, or has run over its time.',
      act: 'Growing `breached` ones: people come too late. The runbook says how to see whose and which.',
      alert: 'SlaBreaches',
      queries: [{ expr: largest('plantao_sla_clocks', 'state'), legend: '{{state}}' }],
    }),
    stack({
      title: 'Broken promises',
      unit: units.Short,
      shows:
        'In each step: clocks that ran over their time, by what the customer waited for and how much that hurried.',
      act: '`first-response`: nobody takes the handoffs. `next-response`: whoever took them has left.',
      alert: 'SlaBreaches',
      queries: [{ expr: events('plantao_sla_breaches_total', 'kind, priority'), legend: '{{kind}}: {{priority}}' }],
    }),
    stack({
      title: 'Notifications of people',
      unit: units.Short,
      shows:
        'In each step: attempts to tell the people of tenants, by kind of target and how they ended; `held`: quiet hours.',
      act: '`retry` and `failed` of one kind: that vendor, or the mail server. Of all kinds: our way out.',
      alert: 'NotificationsWaiting',
      queries: [
        { expr: events('plantao_notifications_total', 'target_kind, outcome'), legend: '{{target_kind}}: {{outcome}}' },
      ],
    }),
    graph({
      title: 'How long the oldest notification waits',
      unit: units.Seconds,
      shows: 'For how long somebody could have been told and was not. Quiet hours do not count.',
      act: 'Growing: a target takes nothing, or no worker looks. The runbook says how to see whose.',
      alert: 'NotificationsWaiting',
      red: { above: 900 },
      queries: [{ expr: largest('plantao_notifications_oldest_waiting_seconds'), legend: 'oldest' }],
    }),
    stack({
      title: 'Tickets on their way to people',
      unit: units.Short,
      shows: 'In each step: tries to get the ticket of a called person to where people work, by how they ended.',
      act: '`failed`: the gateway does not do it, or the channel names a queue or a user that is not there. Dead letters say which.',
      alert: 'DeadLettersOpen',
      queries: [{ expr: events('plantao_handoff_transfers_total', 'outcome'), legend: '{{outcome}}' }],
    }),
    stack({
      title: 'What people did in the gateway',
      unit: units.Short,
      shows: 'In each step: tickets that were seen to have changed, by what that means for who answers.',
      act: '`strange-status`: the gateway uses a word that we do not know. The log line `ticket.changed` has it.',
      alert: 'HandoffsWaiting',
      queries: [{ expr: events('plantao_ticket_changes_total', 'meaning'), legend: '{{meaning}}' }],
    }),
  ],
};

const repairs: Row = {
  title: 'What had to be repaired',
  panels: [
    stack({
      title: 'Customers found stranded, by what was done',
      unit: units.Short,
      shows:
        'In each step: what the watchdog found stuck, and whether it woke it, answered without a model, or called a person.',
      act: 'Each one is a bug or an outage that the sweepers did not repair. The log line `promise.violated` has its conversation.',
      alert: 'PromiseBroken',
      queries: [{ expr: events('plantao_promise_violations_total', 'stuck, repair'), legend: '{{stuck}}: {{repair}}' }],
    }),
    stack({
      title: 'Turns taken alone',
      unit: units.Short,
      shows:
        'In each step: turns whose process had died, taken in a process of their own; `died`: it killed that one as well.',
      act: 'One `died` is a message that kills workers: it has become a dead letter, and its conversation a person’s.',
      alert: 'MessageKillsWorkers',
      next: 'plantao-infrastructure',
      queries: [
        { expr: events('plantao_suspects_total', 'outcome'), legend: '{{outcome}}' },
        { expr: events('plantao_quarantine_failures_total'), legend: 'its process did not start' },
      ],
    }),
  ],
};

export const conversations = board({
  uid: 'plantao-conversations',
  title: 'conversations',
  asks: 'How do conversations end, how long does a decision take, and when is a person needed?',
  rows: [now, turns, people, repairs],
});
