import * as units from '@grafana/grafana-foundation-sdk/units';
import { board } from './board.ts';
import type { Row } from './board.ts';
import { graph, stack, stat } from './panels.ts';
import { countedOrNone, events, largest, perMinute, perSecond, quantile } from './queries.ts';

const PER_MINUTE = 'suffix: /min';

const ages: Row = {
  title: 'How long does work wait? Ages before depths',
  panels: [
    graph({
      title: 'Oldest job that waits',
      unit: units.Seconds,
      shows: 'For each queue, the age of the oldest job that could run and does not.',
      act: 'Rising in one queue: what its jobs call is slow. Rising in all: too few workers, or none.',
      alert: 'QueueBacklog',
      next: 'plantao-infrastructure',
      red: { above: 60 },
      queries: [{ expr: largest('plantao_queue_oldest_waiting_seconds', 'queue'), legend: '{{queue}}' }],
    }),
    graph({
      title: 'Oldest work in the database',
      unit: units.Seconds,
      shows:
        'The truth behind the queues: the oldest message without a decision and the oldest bubble that is not said.',
      act: 'High here with empty queues: wakes are lost, and the sweepers do the work. See Redis.',
      alert: 'QueueBacklog',
      next: 'plantao-infrastructure',
      red: { above: 60 },
      queries: [
        { expr: largest('plantao_inbox_oldest_unprocessed_seconds'), legend: 'without a decision' },
        { expr: largest('plantao_outbox_oldest_pending_seconds'), legend: 'decided, not said' },
      ],
    }),
    graph({
      title: 'Age of the last heartbeat',
      unit: units.Seconds,
      shows: 'For each stage, the age of the newest heartbeat that has passed it.',
      act: 'The first stage whose line rises is where everything stops.',
      alert: 'HeartbeatLate',
      red: { above: 60 },
      queries: [{ expr: largest('plantao_heartbeat_age_seconds', 'stage'), legend: '{{stage}}' }],
    }),
    graph({
      title: 'Messages without an end',
      unit: units.Short,
      shows: 'How many messages of customers nothing has settled yet.',
      act: 'A depth alone says little: a burst is deep and young. It matters when the ages above rise with it.',
      alert: 'QueueBacklog',
      queries: [{ expr: largest('plantao_inbox_unprocessed'), legend: 'messages' }],
    }),
  ],
};

const jobs: Row = {
  title: 'Queues: utilisation, saturation, errors',
  panels: [
    stack({
      title: 'Jobs that wait or run',
      unit: units.Short,
      shows: 'Jobs of the queues by state. `delayed` ones wait for the rest of a burst, or for a slot in a pace.',
      act: '`active` at the most that all workers can do together: add workers.',
      alert: 'QueueBacklog',
      queries: [
        {
          expr: largest('plantao_queue_jobs{state=~"waiting|active|delayed"}', 'queue, state'),
          legend: '{{queue}} {{state}}',
        },
      ],
    }),
    graph({
      title: 'Jobs done',
      unit: units.OpsPerSecond,
      shows: 'Jobs that ended in a second.',
      act: 'Flat while ages rise: workers are at their limit, or wait for something that is slow.',
      alert: 'QueueBacklog',
      queries: [{ expr: perSecond('plantao_queue_job_duration_seconds_count', 'queue'), legend: '{{queue}}' }],
    }),
    graph({
      title: 'Duration of a job, p95',
      unit: units.Seconds,
      shows: 'How long a job holds its place in a worker.',
      act: '`take-turn` follows the model, `deliver-messages` the gateways, `index-document` the size of what is uploaded.',
      alert: 'ModelSlow',
      next: 'plantao-model',
      queries: [
        { expr: quantile('plantao_queue_job_duration_seconds', { percent: 95, by: 'queue' }), legend: '{{queue}}' },
      ],
    }),
    graph({
      title: 'Failed jobs that are kept',
      unit: units.Short,
      shows: 'Jobs that ended with an exception. What they were for is in the database, and the sweepers find it.',
      act: 'Read the error in the logs: it is a bug, or PostgreSQL was away.',
      alert: 'JobsStalled',
      queries: [{ expr: largest('plantao_queue_jobs{state="failed"}', 'queue'), legend: '{{queue}}' }],
    }),
    graph({
      title: 'Jobs whose worker died or froze',
      unit: units.Short,
      shows: 'In each quarter of an hour, as seen by the worker that took them over.',
      act: 'Look at restarts, memory and the event loop of the workers. Their turns are suspects and are taken alone.',
      alert: 'JobsStalled',
      next: 'plantao-infrastructure',
      step: '15m',
      red: { above: 3 },
      queries: [{ expr: events('plantao_queue_stalled_total', 'queue'), legend: '{{queue}}' }],
    }),
    graph({
      title: 'Work that the sweeper found',
      unit: PER_MINUTE,
      shows: 'Work in the database that no job was for. With Redis gone this is how everything runs.',
      act: 'Above nothing while Redis is up: wakes get lost. See whether Redis evicts, or was wiped.',
      alert: 'RedisDown',
      next: 'plantao-infrastructure',
      queries: [{ expr: perMinute('plantao_sweeper_rewakes_total', 'work'), legend: '{{work}}' }],
    }),
    graph({
      title: 'Turns taken alone',
      unit: units.Short,
      shows:
        'In each step: turns whose process had died, taken in a process of their own. `died`: it killed that one as well.',
      act: 'One `died` is a message that kills workers. It is set aside as a dead letter, and its customer has a person.',
      alert: 'MessageKillsWorkers',
      next: 'plantao-conversations',
      width: 24,
      queries: [
        { expr: events('plantao_suspects_total', 'outcome'), legend: '{{outcome}}' },
        { expr: events('plantao_quarantine_failures_total'), legend: 'its process did not start' },
      ],
    }),
  ],
};

const deadLetters: Row = {
  title: 'Dead letters',
  panels: [
    stat({
      title: 'Open dead letters',
      unit: units.Short,
      shows: 'Work that gave up and waits for somebody to replay or discard it.',
      act: 'List them with `npm run dead-letters -- list`; repair the cause before a replay.',
      alert: 'DeadLettersOpen',
      red: { above: 1 },
      queries: [{ expr: largest('plantao_dead_letters_open'), legend: 'open' }],
    }),
    stat({
      title: 'Oldest open dead letter',
      unit: units.Seconds,
      shows: 'How long the oldest of them has waited.',
      act: 'Nobody is looking at them. Decide about each; a customer’s answer is too old to be sent after a day.',
      alert: 'DeadLettersOpen',
      red: { above: 3_600 },
      queries: [{ expr: largest('plantao_dead_letters_oldest_seconds'), legend: 'oldest' }],
    }),
    stat({
      title: 'Dead letters in the time shown',
      unit: units.Short,
      shows: 'Work that gave up, replayed since or not.',
      act: 'See in the panel beside which stage they come from.',
      alert: 'DeadLettersOpen',
      queries: [{ expr: countedOrNone('plantao_dead_letters_total'), legend: 'all stages' }],
    }),
    stack({
      title: 'Where work gives up',
      unit: units.Short,
      shows: 'New dead letters in each step, by stage.',
      act: '`intake`: an unknown shape. `turn`: the model or a bug. `delivery`: a gateway refuses. `knowledge`: a document.',
      alert: 'DeadLettersOpen',
      next: 'plantao-delivery',
      width: 6,
      queries: [{ expr: events('plantao_dead_letters_total', 'stage'), legend: '{{stage}}' }],
    }),
  ],
};

export const queues = board({
  uid: 'plantao-queues',
  title: 'queues and workers',
  asks: 'Does work wait, do workers keep up, and what gave up?',
  rows: [ages, jobs, deadLetters],
});
