import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect } from '@jest/globals';
import pLimit from 'p-limit';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { freePort } from '../../local/ports.ts';
import { read } from '../drift/project.ts';
import { readRules } from '../support/alert-rules.ts';
import { itWhere } from '../support/it-where.ts';
import { findProgram, whyNo } from '../support/on-path.ts';
import { runProgram } from '../support/run-program.ts';
import { until } from '../support/until.ts';

type Labels = Readonly<Record<string, string>>;

/** Debian calls it by another name than its makers. */
const ALERTMANAGER = ['alertmanager', 'prometheus-alertmanager'].find((name) => findProgram(name) !== undefined);
const whyNoAlertmanager = ALERTMANAGER === undefined ? 'no alertmanager on PATH' : undefined;

const AT_ONCE = 4;

let directory: string;
let config: string;
let outside: http.Server;
let manager: ChildProcess | undefined;
let url: string;
/** What has reached PagerDuty, Slack and the dead-man's switch: the address, and the body as it came. */
const heard: { to: string; body: string }[] = [];

beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'plantao-alertmanager-'));
  outside = http.createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      heard.push({ to: req.url ?? '', body: Buffer.concat(chunks).toString('utf8') });
      res.writeHead(req.url === '/pagerduty' ? 202 : 200, { 'content-type': 'application/json' });
      res.end(req.url === '/pagerduty' ? '{"status":"success"}' : 'ok');
    });
  });
  outside.listen(0, '127.0.0.1');
  await once(outside, 'listening');
  const address = z.object({ port: z.number() }).parse(outside.address());
  config = path.join(directory, 'alertmanager.yml');
  await writeFile(path.join(directory, 'key'), 'a-routing-key');
  await writeFile(path.join(directory, 'slack'), `http://127.0.0.1:${address.port}/slack`);
  await writeFile(config, stringify(leadingTo(`http://127.0.0.1:${address.port}`)));
  if (ALERTMANAGER !== undefined) await startAlertmanager(ALERTMANAGER);
});

afterEach(async () => {
  await end();
});

afterAll(async () => {
  if (manager !== undefined) {
    const gone = once(manager, 'exit');
    manager.kill('SIGKILL');
    await gone;
  }
  outside.closeAllConnections();
  outside.close();
  await rm(directory, { recursive: true, force: true });
});

describe('the routes', () => {
  itWhere(whyNo('amtool'), 'lead each alert to who is to hear of it', async () => {
    expect(await runProgram('amtool', ['check-config', config])).toMatchObject({ code: 0 });
    const alerts = readRules().flatMap(({ alert, labels }) =>
      alert === undefined ? [] : [{ alertname: alert, severity: labels.severity ?? '' }],
    );
    const apart = [...new Map(alerts.map((one) => [nameOf(one), one])).values()];
    const limit = pLimit(AT_ONCE);
    const led = await Promise.all(
      apart.map((labels) =>
        limit(async () => {
          const given = ['config', 'routes', 'test', `--config.file=${config}`, ...nameOf(labels).split(' ')];
          const { said } = await runProgram('amtool', given);
          return { ...labels, to: said.split('\n')[0] };
        }),
      ),
    );
    const receivers: Labels = { page: 'pagerduty', ticket: 'slack', none: 'dead-mans-switch' };

    expect(led.filter(({ severity, to }) => to !== receivers[severity])).toEqual([]);
    expect(led.length).toBeGreaterThan(30);
  });

  itWhere(whyNo('amtool'), 'keep a tenant’s own trouble apart, and lose nothing without a severity', async () => {
    const route = async (...given: string[]): Promise<string | undefined> =>
      (await runProgram('amtool', ['config', 'routes', 'test', `--config.file=${config}`, ...given])).said.split(
        '\n',
      )[0];

    expect(await route('alertname=TenantBacklog', 'severity=ticket', 'tenant=padaria')).toBe('slack');
    expect(await route('alertname=SomethingElse')).toBe('slack');
  });
});

describe('a notification', () => {
  itWhere(
    whyNoAlertmanager,
    'reaches PagerDuty, Slack or the dead-man’s switch, with what one needs at night',
    async () => {
      await fire(
        { alertname: 'PromiseBroken', severity: 'page' },
        { alertname: 'HandoffsWaiting', severity: 'ticket' },
        { alertname: 'Watchdog', severity: 'none' },
      );

      await until(() => new Set(heard.map(({ to }) => to)).size === 3);
      const said = (to: string): string => heard.find((one) => one.to === to)?.body ?? '';

      expect(JSON.parse(said('/pagerduty'))).toMatchObject({ routing_key: 'a-routing-key', event_action: 'trigger' });
      expect(said('/pagerduty')).toContain('runbooks/PromiseBroken.md');
      expect(said('/pagerduty')).toContain('/d/plantao-conversations');
      expect(said('/pagerduty')).not.toContain('HandoffsWaiting');
      expect(said('/slack')).toContain('runbooks/HandoffsWaiting.md');
      expect(said('/slack')).not.toContain('Watchdog');
      expect(said('/watchdog')).toContain('Watchdog');
    },
  );
});

describe('an alert that says it all', () => {
  const ticket = (alertname: string, more: Labels = {}): Labels => ({ alertname, severity: 'ticket', ...more });
  const page = (alertname: string, more: Labels = {}): Labels => ({ alertname, severity: 'page', ...more });

  const cases: readonly { source: Labels; quiet: readonly Labels[]; heard: readonly Labels[] }[] = [
    {
      source: ticket('RedisDown', { job: 'plantao-worker' }),
      quiet: [
        ticket('QueueBacklog', { queue: 'inbox' }),
        ticket('TenantBacklog', { tenant: 'a' }),
        ticket('JobsStalled'),
      ],
      heard: [
        page('PromiseBroken'),
        page('ReplyBudgetBurn', { window: '1h' }),
        page('HeartbeatLate', { stage: 'turn' }),
      ],
    },
    {
      source: page('DatabaseErrors', { pool: 'intake', kind: 'connection' }),
      quiet: [
        ticket('DatabaseErrors', { pool: 'api', kind: 'timeout' }),
        ticket('HttpErrorRateHigh', { handler: 'api' }),
        page('HeartbeatLate', { stage: 'intake' }),
      ],
      heard: [page('IntakeBudgetBurn', { window: '1h' }), ticket('DiskLow')],
    },
    {
      source: page('NoTargets', { process: 'worker' }),
      quiet: [ticket('TargetDown', { instance: 'a' }), page('HeartbeatLate', { stage: 'turn' })],
      heard: [page('PromiseBroken')],
    },
    {
      source: page('IntakeBudgetBurn', { window: '1h' }),
      quiet: [
        page('IntakeBudgetBurn', { window: '6h' }),
        ticket('IntakeBudgetBurn', { window: '3d' }),
        ticket('HttpErrorRateHigh', { handler: 'webhook' }),
      ],
      heard: [page('ReplyBudgetBurn', { window: '6h' }), ticket('HttpErrorRateHigh', { handler: 'api' })],
    },
    {
      source: ticket('ModelBreakerOpen', { model: 'first' }),
      quiet: [ticket('ModelSlow', { model: 'first' }), ticket('ModelThrottled', { model: 'first' })],
      heard: [ticket('ModelSlow', { model: 'second' })],
    },
    {
      source: ticket('QueueBacklog', { queue: 'inbox' }),
      quiet: [ticket('TenantBacklog', { tenant: 'a' })],
      heard: [ticket('HandoffsWaiting')],
    },
  ];

  for (const { source, quiet, heard: loud } of cases) {
    itWhere(whyNoAlertmanager, `(${source.alertname}) silences its consequences, and nothing else`, async () => {
      await fire(source, ...quiet, ...loud);

      // Alertmanager hears of the source on one line and answers us on another; once it has heard, it answers for all.
      let inhibited: readonly Labels[] = [];
      await until(async () => {
        inhibited = (await firing()).filter(({ isInhibited }) => isInhibited).map(({ labels }) => labels);
        return inhibited.length > 0;
      });

      expect(inhibited.map(nameOf).toSorted()).toEqual(quiet.map(nameOf).toSorted());
    });
  }
});

function nameOf(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .toSorted()
    .join(' ');
}

const Timing = z.looseObject({ group_wait: z.string().optional(), group_interval: z.string().optional() });
const Config = z.looseObject({
  route: Timing.extend({ routes: z.array(Timing) }),
  receivers: z.array(
    z.looseObject({
      pagerduty_configs: z
        .array(z.looseObject({ routing_key_file: z.literal('/run/secrets/pagerduty_routing_key') }))
        .optional(),
      slack_configs: z.array(z.looseObject({ api_url_file: z.literal('/run/secrets/slack_webhook_url') })).optional(),
      webhook_configs: z
        .array(z.looseObject({ url_file: z.literal('/run/secrets/watchdog_url').optional() }))
        .optional(),
    }),
  ),
});

/** Our configuration with stand-ins outside and without its pauses; an Alertmanager before 0.26 takes no `url_file`. */
function leadingTo(stranger: string): unknown {
  const ours = Config.parse(parse(read('alerts/alertmanager.yml')));
  for (const route of [ours.route, ...ours.route.routes])
    Object.assign(route, { group_wait: '0s', group_interval: '1s' });
  for (const receiver of ours.receivers) {
    for (const pager of receiver.pagerduty_configs ?? []) {
      Object.assign(pager, { routing_key_file: path.join(directory, 'key'), url: `${stranger}/pagerduty` });
    }
    for (const slack of receiver.slack_configs ?? [])
      Object.assign(slack, { api_url_file: path.join(directory, 'slack') });
    for (const hook of receiver.webhook_configs ?? []) {
      delete hook.url_file;
      Object.assign(hook, { url: `${stranger}/watchdog` });
    }
  }
  return ours;
}

async function startAlertmanager(program: string): Promise<void> {
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  manager = spawn(
    program,
    [
      `--config.file=${config}`,
      `--storage.path=${directory}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--cluster.listen-address=',
    ],
    { stdio: 'ignore' },
  );
  await until(
    async () =>
      await fetch(`${url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
  );
}

let fired: readonly { labels: Labels; annotations: Labels }[] = [];

/** As Prometheus tells it, with the annotations of the rules. */
async function fire(...all: readonly Labels[]): Promise<void> {
  fired = all.map((labels) => ({
    labels,
    annotations: readRules().find(({ alert }) => alert === labels.alertname)?.annotations ?? {},
  }));
  await post(fired);
}

async function end(): Promise<void> {
  if (fired.length === 0) return;
  const endsAt = new Date().toISOString();
  await post(fired.map((alert) => ({ ...alert, endsAt })));
  fired = [];
  await until(async () => (await firing()).length === 0);
}

async function post(all: readonly unknown[]): Promise<void> {
  const response = await fetch(`${url}/api/v2/alerts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(all),
  });
  expect(response.status).toBe(200);
}

const Firing = z.array(
  z.object({ labels: z.record(z.string(), z.string()), status: z.object({ inhibitedBy: z.array(z.string()) }) }),
);

async function firing(): Promise<readonly { labels: Labels; isInhibited: boolean }[]> {
  const answer = Firing.parse(await (await fetch(`${url}/api/v2/alerts?active=true&inhibited=true`)).json());
  return answer.map(({ labels, status }) => ({ labels, isInhibited: status.inhibitedBy.length > 0 }));
}
