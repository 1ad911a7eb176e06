import * as units from '@grafana/grafana-foundation-sdk/units';
import { board } from './board.ts';
import type { Row } from './board.ts';
import { graph, stack, stat } from './panels.ts';
import { counted, events, largest, perMinute, perSecond, percentiles, quantile, share } from './queries.ts';

const PER_MINUTE = 'suffix: /min';
const CHOSEN = 'model=~"$model"';
/** Ends that say something about the model: not those of calls that were never made or that we gave up ourselves. */
const MADE = `${CHOSEN},outcome!~"held-back|circuit-open|cancelled"`;

const health: Row = {
  title: 'Does the model answer?',
  panels: [
    graph({
      title: 'Breakers of the models',
      unit: units.Short,
      shows:
        '0 closed, 1 trying again, 2 open: we leave the model alone and ask the next one. The worst of all workers.',
      act: 'Customers get the second model, or a person. See the page of the provider’s state, and whether our key still works.',
      alert: 'ModelBreakerOpen',
      red: { above: 1 },
      queries: [{ expr: largest('plantao_breaker_state{name=~"model:.+"}', 'name'), legend: '{{name}}' }],
    }),
    graph({
      title: 'Share of calls without a usable answer',
      unit: units.PercentUnit,
      shows: 'Of the calls that were made: those that ended in an error, a timeout, or nonsense.',
      act: '`misconfigured` is a key or a name of ours; `unavailable` is theirs; `unusable` is what the model says.',
      alert: 'ModelBreakerOpen',
      red: { above: 0.5 },
      queries: [
        {
          expr: share(
            `plantao_model_request_seconds_count{${CHOSEN},outcome=~"unusable|misconfigured|throttled|unavailable|bug"}`,
            `plantao_model_request_seconds_count{${MADE}}`,
          ),
          legend: 'without an answer',
        },
      ],
    }),
    stack({
      title: 'Calls by how they ended',
      unit: units.RequestsPerSecond,
      shows: 'Also those that were not made, because the model had asked us to wait or its breaker was open.',
      act: 'Read it with the panel of throttles: calls that are held back come back when the wait is over.',
      alert: 'ModelBreakerOpen',
      queries: [
        {
          expr: perSecond(`plantao_model_request_seconds_count{${CHOSEN}}`, 'model, outcome'),
          legend: '{{model}} {{outcome}}',
        },
      ],
    }),
    graph({
      title: 'Calls that a breaker did not let through',
      unit: units.Short,
      shows: 'In each step. Because it was open, or because too many calls were under way.',
      act: 'With a closed breaker it is the number of calls at once: more workers than the model keeps up with.',
      alert: 'ModelBreakerOpen',
      queries: [
        { expr: events('plantao_breaker_rejections_total{name=~"model:.+"}', 'name'), legend: '{{name}}' },
        {
          expr: events('plantao_breaker_transitions_total{name=~"model:.+",to="open"}', 'name'),
          legend: '{{name}} opened',
        },
      ],
    }),
    graph({
      title: 'Calls that the model refused as wrong',
      unit: units.Short,
      shows: 'In each ten minutes: our key, the name of the model or the request itself was not accepted.',
      act: 'It does not pass by itself: see whether the key still works and the model still exists, and correct the environment.',
      alert: 'ModelMisconfigured',
      width: 24,
      step: '10m',
      red: { above: 5 },
      queries: [
        {
          expr: events(`plantao_model_request_seconds_count{${CHOSEN},outcome="misconfigured"}`, 'model'),
          legend: '{{model}}',
        },
      ],
    }),
  ],
};

const speed: Row = {
  title: 'How fast?',
  panels: [
    graph({
      title: 'Duration of a call that answered',
      unit: units.Seconds,
      shows: 'What the model takes when it answers.',
      act: 'Above ten seconds the reply budget burns. A faster model of the same family is one variable away.',
      alert: 'ModelSlow',
      red: { above: 10 },
      queries: percentiles('plantao_model_request_seconds', `{${CHOSEN},outcome="answered"}`),
    }),
    graph({
      title: 'Duration by model, p95',
      unit: units.Seconds,
      shows: 'Every call that was made, also those that failed.',
      act: 'A flat line at the timeout of a call is a model that does not answer at all.',
      alert: 'ModelSlow',
      red: { above: 15 },
      queries: [
        {
          expr: quantile('plantao_model_request_seconds', { percent: 95, labels: `{${MADE}}`, by: 'model' }),
          legend: '{{model}}',
        },
      ],
    }),
    graph({
      title: 'Times that a provider asked us to wait',
      unit: units.Short,
      shows:
        'In each quarter of an hour. A quota is used up. All workers leave the model alone for as long as it says.',
      act: 'Ask for a higher quota, or move tenants to another model; see which one has grown.',
      alert: 'ModelThrottled',
      next: 'plantao-tenants',
      step: '15m',
      red: { above: 5 },
      queries: [{ expr: events(`plantao_model_throttled_total{${CHOSEN}}`, 'model'), legend: '{{model}}' }],
    }),
    graph({
      title: 'Whole turns, p95',
      unit: units.Seconds,
      shows: 'The turn around the calls: with retries, the second model, search and commit.',
      act: 'Much longer than one call: calls are tried again. See how they ended.',
      alert: 'ModelSlow',
      next: 'plantao-conversations',
      red: { above: 15 },
      queries: [{ expr: quantile('plantao_turn_duration_seconds', { percent: 95 }), legend: 'turns' }],
    }),
  ],
};

const cost: Row = {
  title: 'What does it cost?',
  panels: [
    stat({
      title: 'Cost of the time shown',
      unit: units.Dollars,
      shows: 'By the tokens that the provider counted, at the prices that we know. The invoice decides.',
      act: 'Compare with the same hours of last week; the tokens beside say what has grown.',
      alert: 'ModelCostHigh',
      width: 4,
      queries: [{ expr: counted(`plantao_model_cost_usd_total{${CHOSEN}}`), legend: 'cost' }],
    }),
    stat({
      title: 'Cost of a reply',
      unit: units.Dollars,
      shows: 'All calls of the time shown, over the turns that replied or asked back.',
      act: 'A jump without more customers: prompts have grown, answers are thrown away, or calls are tried again.',
      alert: 'ModelCostHigh',
      width: 4,
      queries: [
        {
          expr: `${counted('plantao_model_cost_usd_total')} / (${counted('plantao_turns_total{outcome=~"replied|asked-back"}')} > 0)`,
          legend: 'each',
        },
      ],
    }),
    stat({
      title: 'Share of input from the cache',
      unit: units.PercentUnit,
      shows: 'Tokens of the prompt that the provider had already, and charges less for.',
      act: 'A fall after a deploy: the beginning of the prompt has changed, or varies with every call.',
      alert: 'ModelCostHigh',
      width: 4,
      queries: [
        {
          expr: `(${counted(`plantao_model_tokens_total{${CHOSEN},direction="cached"}`)} or vector(0)) / (${counted(`plantao_model_tokens_total{${CHOSEN},direction="input"}`)} > 0)`,
          legend: 'cached',
        },
      ],
    }),
    graph({
      title: 'Cost of an hour',
      unit: units.Dollars,
      shows: 'What an hour costs at the present rate.',
      act: 'Look for one tenant whose volume has grown, and for a loop: two bots that answer each other.',
      alert: 'ModelCostHigh',
      next: 'plantao-tenants',
      red: { above: 10 },
      queries: [
        { expr: `3600 * ${perSecond(`plantao_model_cost_usd_total{${CHOSEN}}`, 'model')}`, legend: '{{model}}' },
      ],
    }),
    stack({
      title: 'Tokens',
      unit: PER_MINUTE,
      shows: 'As the provider counted them. `cached` is a part of `input`; `thought` comes beside `output`.',
      act: 'More input for each call: longer passages or contexts. More thought: the model’s own habit changed.',
      alert: 'ModelCostHigh',
      width: 24,
      queries: [
        {
          expr: perMinute(`plantao_model_tokens_total{${CHOSEN},direction!="cached"}`, 'model, direction'),
          legend: '{{model}} {{direction}}',
        },
      ],
    }),
  ],
};

export const model = board({
  uid: 'plantao-model',
  title: 'model and cost',
  asks: 'Does the model answer, how fast, and at what price?',
  rows: [health, speed, cost],
  choice: { label: 'model', metric: 'plantao_model_request_seconds_count' },
});
