import * as units from '@grafana/grafana-foundation-sdk/units';
import { board } from './board.ts';
import type { Row } from './board.ts';
import { graph, stack, stat } from './panels.ts';
import { counted, countedOrNone, events, largest, percentiles, perSecond, share } from './queries.ts';

const said: Row = {
  title: 'Is everything said?',
  panels: [
    stat({
      title: 'Oldest bubble that is not said',
      unit: units.Seconds,
      shows: 'Age of the oldest decided answer that is neither sent nor given up. The pace of a channel is part of it.',
      act: 'See whether one gateway has stopped or all of them, and whether deliveries run at all.',
      alert: 'GatewayFailures',
      next: 'plantao-queues',
      red: { above: 300 },
      queries: [{ expr: largest('plantao_outbox_oldest_pending_seconds'), legend: 'oldest' }],
    }),
    stat({
      title: 'Failed or given up, time shown',
      unit: units.Short,
      shows:
        'Attempts that a gateway refused for good, and bubbles that became too old. Their customers were given to a person.',
      act: 'Replay the dead letters once the cause is gone; what is older than its limit is not sent any more.',
      alert: 'GatewayFailures',
      next: 'plantao-queues',
      red: { above: 1 },
      queries: [{ expr: countedOrNone('plantao_sends_total{outcome="failed"}'), legend: 'failed' }],
    }),
    stat({
      title: 'Unknown sends settled, time shown',
      unit: units.Short,
      shows: 'Sends whose outcome the gateway did not tell, and that have been settled since.',
      act: 'Each one that no echo, answer or look into the ticket settled may have been said twice or not at all.',
      alert: 'UnknownSends',
      queries: [{ expr: countedOrNone('plantao_sends_unknown_total'), legend: 'settled' }],
    }),
    stat({
      title: 'Settled by rule alone, time shown',
      unit: units.PercentUnit,
      shows: 'Of those, the part that nothing told us about, so that the rule of the channel decided.',
      act: 'Give the channel a user of its gateway, so that we can look; or switch on its echoes.',
      alert: 'UnknownSends',
      red: { above: 0.5 },
      queries: [
        {
          expr: `${countedOrNone('plantao_sends_unknown_total{settled_by=~"resend|hand-over"}')} / (${counted('plantao_sends_unknown_total')} > 0)`,
          legend: 'by rule',
        },
      ],
    }),
  ],
};

const sends: Row = {
  title: 'Sends',
  panels: [
    stack({
      title: 'Attempts by how they ended',
      unit: units.OpsPerSecond,
      shows: '`retry`: no byte got out, it is tried again. `dropped`: a person took over, or it came too late.',
      act: '`failed` is an answer that nobody gets. The log line `delivery.attempted` has its reason.',
      alert: 'GatewayFailures',
      queries: [{ expr: perSecond('plantao_sends_total', 'outcome'), legend: '{{outcome}}' }],
    }),
    graph({
      title: 'Share of attempts that did not get through',
      unit: units.PercentUnit,
      shows: 'Attempts that failed, have to be tried again, or whose outcome is unknown.',
      act: 'A gateway is down or its session with WhatsApp is lost: its breaker in the next row says which.',
      alert: 'GatewayFailures',
      red: { above: 0.2 },
      queries: [
        {
          expr: share(
            'plantao_sends_total{outcome=~"failed|retry|unknown"}',
            'plantao_sends_total{outcome!="dropped"}',
          ),
          legend: 'not through',
        },
      ],
    }),
    graph({
      title: 'Duration of a call of a gateway',
      unit: units.Seconds,
      shows: 'What a gateway takes for one message. After ten seconds we stop to wait, and the outcome is unknown.',
      act: 'Ask who runs the gateway; a slow one makes unknown sends before it makes errors.',
      alert: 'GatewayFailures',
      red: { above: 10 },
      queries: percentiles('plantao_send_duration_seconds'),
    }),
    graph({
      title: 'From the message to the first bubble',
      unit: units.Seconds,
      shows: 'The whole way, as the customer sees it.',
      act: 'Slow here and fast in the panel before: the time was lost before the delivery.',
      alert: 'ReplyBudgetBurn',
      next: 'plantao-service',
      red: { above: 15 },
      queries: percentiles('plantao_message_e2e_seconds'),
    }),
  ],
};

const gateways: Row = {
  title: 'Gateways',
  panels: [
    graph({
      title: 'Breakers of the gateways',
      unit: units.Short,
      shows: '0 closed, 1 trying again, 2 open: nothing is sent there for a while. The worst of all workers.',
      act: 'What is due waits and is sent when it closes, as long as it is not too old. Call who runs this gateway.',
      alert: 'GatewayFailures',
      red: { above: 1 },
      queries: [{ expr: largest('plantao_breaker_state{name=~"gateway .+"}', 'name'), legend: '{{name}}' }],
    }),
    graph({
      title: 'Calls that a breaker did not let through',
      unit: units.Short,
      shows: 'In each step: sends that are put off because their gateway is being left alone.',
      act: 'None are lost by it. It should fall to nothing within a minute after the gateway is back.',
      alert: 'GatewayFailures',
      queries: [
        { expr: events('plantao_breaker_rejections_total{name=~"gateway .+"}', 'name'), legend: '{{name}}' },
        {
          expr: events('plantao_breaker_transitions_total{name=~"gateway .+",to="open"}', 'name'),
          legend: '{{name}} opened',
        },
      ],
    }),
  ],
};

const unknown: Row = {
  title: 'Sends of unknown outcome',
  panels: [
    stack({
      title: 'What settled them',
      unit: units.Short,
      shows:
        'In each step. `echo`, `answer` and `read-back` are knowledge; `resend` and `hand-over` are the rule of the channel.',
      act: 'Many by rule: customers may hear something twice, or from a person what the bot had said.',
      alert: 'UnknownSends',
      queries: [{ expr: events('plantao_sends_unknown_total', 'settled_by'), legend: '{{settled_by}}' }],
    }),
    stack({
      title: 'What looks into tickets told',
      unit: units.Short,
      shows: 'In each step. Where the gateway lets us read a ticket, we look whether the message is in it.',
      act: '`failed`: the user that we look with cannot sign in. `not-possible`: the channel has none.',
      alert: 'UnknownSends',
      width: 6,
      queries: [{ expr: events('plantao_read_backs_total', 'outcome'), legend: '{{outcome}}' }],
    }),
    graph({
      title: 'Confirmed after the rule',
      unit: units.Short,
      shows: 'In each step: sends that an echo confirmed after the rule of the channel had been applied to them.',
      act: 'The echoes of a gateway come later than ten seconds. With the rule `resend` its customers got two copies.',
      alert: 'UnknownSends',
      width: 6,
      queries: [{ expr: events('plantao_sends_confirmed_late_total'), legend: 'late' }],
    }),
    graph({
      title: 'Sends that became unknown',
      unit: units.Short,
      shows: 'In each hour: attempts after which the gateway said neither yes nor no.',
      act: 'A gateway that breaks off is overloaded or restarted. See its duration and its breaker, and call who runs it.',
      alert: 'UnknownSends',
      width: 24,
      step: '1h',
      red: { above: 5 },
      queries: [{ expr: events('plantao_sends_total{outcome="unknown"}'), legend: 'unknown' }],
    }),
  ],
};

export const delivery = board({
  uid: 'plantao-delivery',
  title: 'delivery',
  asks: 'Is everything said that was decided, once, and do we know it?',
  rows: [said, sends, gateways, unknown],
});
