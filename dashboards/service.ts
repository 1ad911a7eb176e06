import * as units from '@grafana/grafana-foundation-sdk/units';
import { board } from './board.ts';
import type { Row } from './board.ts';
import { graph, stack, stat } from './panels.ts';
import {
  INTAKE_BUDGET,
  REPLY_BUDGET,
  intakeFailing,
  largest,
  percentiles,
  perSecond,
  repliesFailing,
  share,
} from './queries.ts';

const WEBHOOKS = 'plantao_http_requests_total{handler="webhook"}';

const budgets: Row = {
  title: 'Promises and budgets',
  panels: [
    stat({
      title: 'A customer whom nobody looks after',
      unit: units.Seconds,
      shows:
        'How long the customer has waited whom neither a turn, a delivery nor a person is looking after; 0 when there is none.',
      act: 'Somebody is stranded now. Find the conversation and give it to a person first, look for the cause after that.',
      alert: 'PromiseBroken',
      next: 'plantao-conversations',
      red: { above: 30 },
      queries: [{ expr: largest('plantao_promise_oldest_violation_seconds'), legend: 'stranded for' }],
    }),
    stat({
      title: 'Intake budget left, 30 days',
      unit: units.PercentUnit,
      shows:
        'What is left of the 0.1 % of valid webhooks that may be answered with an error or after more than a second.',
      act: 'Nothing that can wait is deployed until it is green again; see in the burn rate below when it was spent.',
      alert: 'IntakeBudgetBurn',
      over: '30d',
      red: { below: 0 },
      queries: [{ expr: `1 - ${intakeFailing('$__range')} / ${INTAKE_BUDGET}`, legend: 'left' }],
    }),
    stat({
      title: 'Reply budget left, 30 days',
      unit: units.PercentUnit,
      shows: 'What is left of the 1 % of replies that may be sent later than fifteen seconds after the message.',
      act: 'See whether the time goes into the model, a queue or the gateway; the rows below and their dashboards tell.',
      alert: 'ReplyBudgetBurn',
      over: '30d',
      red: { below: 0 },
      queries: [{ expr: `1 - ${repliesFailing('$__range')} / ${REPLY_BUDGET}`, legend: 'left' }],
    }),
    stat({
      title: 'Processes that answer',
      unit: units.Short,
      shows: 'Services and workers that Prometheus reaches.',
      act: 'None of a kind is left: look at its logs and at what restarts it. One of several: the graph of versions shows since when.',
      alert: 'NoTargets',
      next: 'plantao-infrastructure',
      red: { below: 1 },
      queries: [
        { expr: 'count(up{job="plantao-service"} == 1) or vector(0)', legend: 'services' },
        { expr: 'count(up{job="plantao-worker"} == 1) or vector(0)', legend: 'workers' },
      ],
    }),
    graph({
      title: 'Intake: how fast the budget burns',
      unit: units.Short,
      shows:
        'Errors and slow answers of an hour, as a multiple of what the budget allows. At 14.4 a month is spent in two days.',
      act: 'Look at errors and latency of the intake below: is it the database, or a process that does not keep up?',
      alert: 'IntakeBudgetBurn',
      next: 'plantao-infrastructure',
      step: '1h',
      red: { above: 14.4 },
      queries: [{ expr: `${intakeFailing('$__rate_interval')} / ${INTAKE_BUDGET}`, legend: 'burn rate' }],
    }),
    graph({
      title: 'Replies: how fast the budget burns',
      unit: units.Short,
      shows: 'Replies of an hour that came after fifteen seconds, as a multiple of what the budget allows.',
      act: 'Compare the seconds of the model with those of the gateway; whichever has grown is the cause.',
      alert: 'ReplyBudgetBurn',
      next: 'plantao-model',
      step: '1h',
      red: { above: 14.4 },
      queries: [{ expr: `${repliesFailing('$__rate_interval')} / ${REPLY_BUDGET}`, legend: 'burn rate' }],
    }),
  ],
};

const waiting: Row = {
  title: 'Is a customer waiting?',
  panels: [
    graph({
      title: 'Oldest message without an end',
      unit: units.Seconds,
      shows: 'Age of the oldest message of a customer that has neither a reply, a person nor a recorded reason.',
      act: 'Work arrives and is not done. The age says how bad it is, the depth of the queue does not.',
      alert: 'QueueBacklog',
      next: 'plantao-queues',
      red: { above: 60 },
      queries: [
        { expr: largest('plantao_inbox_oldest_unprocessed_seconds'), legend: 'without a decision' },
        { expr: largest('plantao_outbox_oldest_pending_seconds'), legend: 'decided, not said' },
      ],
    }),
    graph({
      title: 'From the message to the first bubble',
      unit: units.Seconds,
      shows: 'What a customer waits for, from the acceptance of the message until the gateway took the answer.',
      act: 'p99 above fifteen seconds spends the budget. Model, queues and delivery each have a dashboard.',
      alert: 'ReplyBudgetBurn',
      next: 'plantao-model',
      red: { above: 15 },
      queries: percentiles('plantao_message_e2e_seconds'),
    }),
    graph({
      title: 'Customers who wait for a person',
      unit: units.Short,
      shows: 'Open handoffs that nobody has taken.',
      act: 'Call more people. If it grows at once, see by the reasons whether the bot has stopped to answer.',
      alert: 'HandoffsWaiting',
      next: 'plantao-conversations',
      red: { above: 20 },
      queries: [{ expr: largest('plantao_handoffs_waiting'), legend: 'waiting' }],
    }),
    graph({
      title: 'Age of the last heartbeat',
      unit: units.Seconds,
      shows: 'A heartbeat goes the way of a message. For each stage, the age of the newest one that has passed it.',
      act: 'The first stage whose line rises is where everything stops; those after it only follow.',
      alert: 'HeartbeatLate',
      next: 'plantao-queues',
      red: { above: 60 },
      queries: [{ expr: largest('plantao_heartbeat_age_seconds', 'stage'), legend: '{{stage}}' }],
    }),
  ],
};

const intake: Row = {
  title: 'Intake: rate, errors, duration',
  panels: [
    stack({
      title: 'Requests',
      unit: units.RequestsPerSecond,
      shows: 'Answers in a second by who asked and how it was answered.',
      act: 'No webhooks at all in the daytime is an outage on the side of the gateways, or of the proxy before us.',
      alert: 'IntakeBudgetBurn',
      queries: [
        {
          expr: perSecond('plantao_http_requests_total{handler!="health"}', 'handler, code'),
          legend: '{{handler}} {{code}}',
        },
      ],
    }),
    graph({
      title: 'Share of webhooks answered with 5xx',
      unit: units.PercentUnit,
      shows:
        'Webhooks that were right and that we could not take. Gateways send them again, most of them only for a while.',
      act: 'PostgreSQL first: its errors, its pools and its disk. Intake needs nothing else.',
      alert: 'HttpErrorRateHigh',
      next: 'plantao-infrastructure',
      red: { above: 0.05 },
      queries: [{ expr: share('plantao_http_requests_total{handler="webhook",code="5xx"}', WEBHOOKS), legend: '5xx' }],
    }),
    graph({
      title: 'Duration of a webhook',
      unit: units.Seconds,
      shows: 'From the first byte of the request to our answer.',
      act: 'A slow commit shows here and in the wait for a connection; a slow process shows in the lag of its event loop.',
      alert: 'HttpLatencyHigh',
      next: 'plantao-infrastructure',
      red: { above: 1 },
      queries: percentiles('plantao_http_request_duration_seconds', '{handler="webhook"}'),
    }),
    graph({
      title: 'From the whole body to the commit',
      unit: units.Seconds,
      shows: 'The part of it that is ours: authentication, reading, and the commit that makes the message durable.',
      act: 'Fast here and slow in the panel before: the sender or the network is slow. Slow in both: the database is.',
      alert: 'HttpLatencyHigh',
      next: 'plantao-infrastructure',
      queries: percentiles('plantao_webhook_duration_seconds'),
    }),
    stack({
      title: 'Webhooks by what became of them',
      unit: units.RequestsPerSecond,
      shows:
        'Authenticated webhooks: accepted, known already, none of our business, or parked because we could not read them.',
      act: 'Parked ones are kept as bytes and wait as dead letters of the intake: a fork has a shape that we do not know.',
      alert: 'DeadLettersOpen',
      next: 'plantao-queues',
      queries: [
        { expr: perSecond('plantao_webhook_requests_total', 'disposition, kind'), legend: '{{disposition}} {{kind}}' },
      ],
    }),
    stack({
      title: 'Webhooks not taken, by reason',
      unit: units.RequestsPerSecond,
      shows: 'Refused before they were read: a wrong secret, too many, too large, or no database.',
      act: 'A wall of failed authentications means that a secret was changed on one side only, or that somebody guesses.',
      alert: 'WebhooksRejected',
      next: 'plantao-tenants',
      queries: [{ expr: perSecond('plantao_webhook_rejections_total', 'reason'), legend: '{{reason}}' }],
    }),
  ],
};

const processes: Row = {
  title: 'What runs',
  panels: [
    graph({
      title: 'Processes by version',
      unit: units.Short,
      shows: 'How many processes run which version; a deploy is a crossing of two lines.',
      act: 'Two versions for longer than a deploy takes: it has stopped half-way. Both work on one schema meanwhile.',
      alert: 'TargetDown',
      next: 'plantao-infrastructure',
      queries: [
        {
          expr: 'count by (version, commit, node) (plantao_build_info)',
          legend: '{{version}} {{commit}} node {{node}}',
        },
      ],
    }),
    graph({
      title: 'API: answers with an error',
      unit: units.RequestsPerSecond,
      shows: 'What people and other systems get from the API.',
      act: '4xx after a deploy: somebody calls what has changed. 5xx: the pool of the API, or its queries.',
      alert: 'HttpErrorRateHigh',
      next: 'plantao-infrastructure',
      queries: [
        { expr: perSecond('plantao_http_requests_total{handler="api",code=~"4xx|5xx"}', 'code'), legend: '{{code}}' },
      ],
    }),
  ],
};

export const service = board({
  uid: 'plantao-service',
  title: 'service and SLO',
  asks: 'Do we keep what we promised, is a customer waiting, and does the intake take everything? Begin here.',
  rows: [budgets, waiting, intake, processes],
});
