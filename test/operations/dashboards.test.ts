import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import * as units from '@grafana/grafana-foundation-sdk/units';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { RUNBOOKS_URL } from '../../dashboards/board.ts';
import { DASHBOARDS, fileOf } from '../../dashboards/dashboards.ts';
import { LATENCY_BUCKETS_SECONDS, registry } from '../../src/platform/metrics.ts';
import { exists, projectFiles, read } from '../drift/project.ts';
import { itWhere } from '../support/it-where.ts';
import { whyNo } from '../support/on-path.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { Town } from '../support/town.ts';
// Opening nothing: what is imported here defines every metric of both kinds of process, with its labels.
import '../../src/compose-service.ts';
import '../../src/compose-work.ts';

/** Addresses that alerts, runbooks and bookmarks have. A line here changes only when a dashboard is added or given up. */
const UIDS = [
  'plantao-conversations',
  'plantao-delivery',
  'plantao-infrastructure',
  'plantao-model',
  'plantao-queues',
  'plantao-service',
  'plantao-tenants',
];

const Source = z.object({ type: z.string(), uid: z.string() });
const Target = z.object({ refId: z.string(), expr: z.string(), legendFormat: z.string(), datasource: Source });
const Panel = z.object({
  id: z.number(),
  type: z.string(),
  title: z.string(),
  description: z.string().default(''),
  gridPos: z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() }),
  datasource: Source.optional(),
  links: z.array(z.object({ title: z.string(), url: z.string() })).default([]),
  targets: z.array(Target).default([]),
  fieldConfig: z
    .object({
      defaults: z.object({
        unit: z.string().optional(),
        thresholds: z.object({ steps: z.array(z.object({ color: z.string() })) }).optional(),
      }),
    })
    .optional(),
});
const File = z.object({
  uid: z.string(),
  title: z.string(),
  description: z.string(),
  tags: z.array(z.string()),
  panels: z.array(Panel),
  links: z.array(z.object({ type: z.string(), tags: z.array(z.string()) })),
  templating: z.object({
    list: z.array(z.object({ name: z.string(), type: z.string(), definition: z.string().optional() })),
  }),
  annotations: z.object({
    list: z.array(
      z.object({
        name: z.string(),
        datasource: Source,
        target: z.object({ expr: z.string().optional(), tags: z.array(z.string()).optional() }),
      }),
    ),
  }),
});
const Rules = z.object({
  groups: z.array(
    z.object({
      rules: z.array(
        z.object({ alert: z.string().optional(), annotations: z.record(z.string(), z.string()).default({}) }),
      ),
    }),
  ),
});
const Scrapes = z.object({
  global: z.object({ scrape_interval: z.string() }),
  scrape_configs: z.array(z.object({ job_name: z.string() })),
});

const names = projectFiles().flatMap((file) => /^dashboards\/([^/]+\.json)$/.exec(file)?.[1] ?? []);
const files = names.map((name) => File.parse(JSON.parse(read(`dashboards/${name}`))));
const panels = files.flatMap((file) =>
  file.panels.filter(({ type }) => type !== 'row').map((panel) => ({ ...panel, where: `${file.uid}: ${panel.title}` })),
);
const alerts = projectFiles()
  .filter((file) => /^alerts\/[^/]+\.rules\.yml$/.test(file))
  .flatMap((file) => Rules.parse(parse(read(file))).groups)
  .flatMap(({ rules }) => rules)
  .flatMap(({ alert, annotations }) => (alert === undefined ? [] : [{ alert, annotations }]));
const scrapes = Scrapes.parse(parse(read('alerts/prometheus.yml')));

/** Everything that is asked of Prometheus, and where. */
const queries = [
  ...panels.flatMap(({ where, targets }) => targets.map(({ expr }) => ({ where, expr }))),
  ...files.flatMap(({ uid, annotations }) =>
    annotations.list.flatMap(({ name, target }) =>
      target.expr === undefined ? [] : [{ where: `${uid}: ${name}`, expr: target.expr }],
    ),
  ),
  ...files.flatMap(({ uid, templating }) =>
    templating.list.flatMap(({ name, definition }) => {
      const [, metric, label] = /^label_values\((\w+), (\w+)\)$/.exec(definition ?? '') ?? [];
      if (metric === undefined || label === undefined) return [];
      return [{ where: `${uid}: variable ${name}`, expr: `count by (${label}) (${metric}{${label}!=""})` }];
    }),
  ),
];

describe('the dashboards', () => {
  it('are what the builders make, and there is no other', () => {
    const made = DASHBOARDS.map((dashboard) => fileOf(dashboard));

    expect(names.toSorted()).toEqual(made.map(({ name }) => name).toSorted());
    for (const { name, text } of made) expect(read(`dashboards/${name}`)).toBe(text);
  });

  it('keep their addresses, and are named after them', () => {
    expect(files.map(({ uid }) => uid).toSorted()).toEqual(UIDS);
    expect(names.toSorted()).toEqual(UIDS.map((uid) => `${uid}.json`));
  });

  it('lead to one another', () => {
    const toEach = files.filter(({ links, tags }) =>
      links.some((link) => link.type === 'dashboards' && link.tags.every((tag) => tags.includes(tag))),
    );
    const led = panels.flatMap(({ links }) => links.flatMap(({ url }) => /^\/d\/(.+)$/.exec(url)?.[1] ?? []));

    expect(toEach).toHaveLength(UIDS.length);
    expect(led.filter((uid) => !UIDS.includes(uid))).toEqual([]);
  });

  it('show deploys and campaigns', () => {
    for (const { annotations } of files) {
      const [deploys, campaigns] = annotations.list;

      expect(deploys?.target.expr).toContain('plantao_build_info');
      expect(campaigns?.target.tags).toEqual(['campaign']);
    }
  });

  it('let the reader choose the datasource, and name none themselves', () => {
    const sources = files.flatMap(({ panels: all, annotations }) => [
      ...all.flatMap(({ datasource, targets }) => [datasource, ...targets.map((target) => target.datasource)]),
      ...annotations.list.map(({ datasource }) => datasource),
    ]);
    const uids = new Set(sources.flatMap((source) => source?.uid ?? []));

    expect(files.filter(({ templating }) => templating.list[0]?.type !== 'datasource')).toEqual([]);
    // The second one is Grafana itself, which keeps the campaigns.
    expect([...uids].toSorted()).toEqual(['${datasource}', '-- Grafana --'].toSorted());
  });

  it('put every panel in a place of its own', () => {
    const wrong = files.flatMap(({ uid, panels: all }) =>
      all.flatMap((one, index) => {
        const others = all.slice(index + 1).filter((other) => overlap(one.gridPos, other.gridPos));
        const isOutside = one.gridPos.x + one.gridPos.w > 24;
        return isOutside || others.length > 0 ? [`${uid}: ${one.title}`] : [];
      }),
    );

    expect(files.flatMap(({ panels: all }) => all.map(({ id }) => id))).toEqual(
      files.flatMap(({ panels: all }) => all.map((_, index) => index + 1)),
    );
    expect(wrong).toEqual([]);
  });
});

describe('each panel', () => {
  const known = new Set<unknown>([...Object.values(units), 'suffix: /min']);

  it('has a unit that Grafana knows', () => {
    expect(panels.length).toBeGreaterThan(60);
    expect(
      panels.filter(({ fieldConfig }) => !known.has(fieldConfig?.defaults.unit ?? '')).map(({ where }) => where),
    ).toEqual([]);
  });

  it('says what it shows, and what to do when it is red', () => {
    const untold = panels.filter(({ description, fieldConfig }) => {
      const canBeRed = fieldConfig?.defaults.thresholds?.steps.some(({ color }) => color === 'red') ?? false;
      const [shows = '', act = ''] = description.split(canBeRed ? '**When red:**' : '**If it looks wrong:**');
      return shows.trim().length < 10 || act.trim().length < 20;
    });

    expect(untold.map(({ where }) => where)).toEqual([]);
  });

  it('names its queries apart', () => {
    const wrong = panels.filter(({ targets }) => {
      const apart = new Set(targets.map(({ refId }) => refId)).size === targets.length;
      return !apart || targets.length === 0 || targets.some(({ legendFormat }) => legendFormat === '');
    });

    expect(wrong.map(({ where }) => where)).toEqual([]);
  });

  it('links a runbook that is there, of an alert that is there', () => {
    const known = new Set(alerts.map(({ alert }) => alert));
    const wrong = panels.filter(({ links }) => {
      const [, alert = ''] = /^\$\{runbooks:raw\}\/(\w+)\.md$/.exec(links[0]?.url ?? '') ?? [];
      return !known.has(alert) || !exists(`runbooks/${alert}.md`);
    });

    expect(wrong.map(({ where }) => where)).toEqual([]);
  });
});

describe('an alert', () => {
  it('finds on the dashboard that it links a panel that is about it', () => {
    // The watchdog of the alerts is about the alerts themselves.
    const lost = alerts.filter(({ alert, annotations }) => {
      const [, uid = ''] = /\/d\/([\w-]+)$/.exec(annotations.dashboard_url ?? '') ?? [];
      const about = panels.filter(({ links }) => links[0]?.url.endsWith(`/${alert}.md`) === true);
      return alert !== 'Watchdog' && !about.some(({ where }) => where.startsWith(`${uid}: `));
    });

    expect(alerts.length).toBeGreaterThan(20);
    expect(lost.map(({ alert }) => alert)).toEqual([]);
  });

  it('has its runbook where the panels look for it', () => {
    const elsewhere = alerts.filter(
      ({ alert, annotations }) => annotations.runbook_url !== `${RUNBOOKS_URL}/${alert}.md`,
    );

    expect(elsewhere.map(({ alert }) => alert)).toEqual([]);
  });
});

describe('what the dashboards ask', () => {
  it('is asked over a range that follows the zoom, never over a fixed one', () => {
    const fixed = queries.flatMap(({ where, expr }) =>
      [...expr.matchAll(/\[([^\]]*)\]/g)].flatMap(([, range = '']) =>
        ['$__rate_interval', '$__range'].includes(range) ? [] : [`${where}: [${range}]`],
      ),
    );

    expect(queries.filter(({ expr }) => expr.includes('[$__rate_interval]')).length).toBeGreaterThan(40);
    expect(fixed).toEqual([]);
  });

  itWhere(whyNo('promtool'), 'is PromQL', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'dashboards-'));
    const file = path.join(folder, 'panels.yml');
    const rules = queries.map(({ expr }, index) => ({ record: `panel:${index}`, expr: asGrafanaSendsIt(expr) }));
    await writeFile(file, stringify({ groups: [{ name: 'panels', rules }] }));

    try {
      const said = execFileSync('promtool', ['check', 'rules', file], { encoding: 'utf8', stdio: 'pipe' });

      expect(said).toContain(`SUCCESS: ${rules.length} rules found`);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('has labels that the metrics have, and values that the code gives them', () => {
    const code = projectFiles()
      .filter((file) => /^(src|workers|backup)\/.*\.ts$/.test(file) && !file.endsWith('.test.ts'))
      .map((file) => read(file))
      .join('\n');
    const wrong = queries.flatMap(({ where, expr }) =>
      matchersIn(expr).flatMap(({ metric, label, values }) => {
        if (!labelsOf(metric).includes(label)) return [`${where}: ${metric} has no label ${label}`];
        return values
          .filter((value) => !isValueOf(label, value, code))
          .map((value) => `${where}: ${metric}{${label}="${value}"}`);
      }),
    );

    expect(wrong).toEqual([]);
  });
});

describe('the metrics that the dashboards ask for', () => {
  let town: Town;
  const living = new Set<string>();

  beforeAll(async () => {
    town = await Town.start({ worker: false });
    const service = await startServiceProcess(town.environment);
    try {
      const worker = await town.startWorkerProcess();
      for (const { url } of [service, worker]) {
        const text = await (await fetch(`${url}/metrics`)).text();
        for (const [, name = '', type = ''] of text.matchAll(/^# TYPE (\w+) (\w+)$/gm)) {
          living.add(name);
          if (type === 'histogram') for (const part of ['bucket', 'count', 'sum']) living.add(`${name}_${part}`);
        }
      }
    } finally {
      await service.kill();
    }
  });

  afterAll(async () => {
    await town.close();
  });

  it('are all in what a running service or worker tells', () => {
    const asked = queries.flatMap(({ where, expr }) => metricsIn(expr).map((metric) => ({ where, metric })));
    // Whether a process answers at all is known to Prometheus, not to the process.
    const absent = asked.filter(({ metric }) => metric !== 'up' && !living.has(metric));

    expect(asked.length).toBeGreaterThan(100);
    expect(absent.map(({ where, metric }) => `${where}: ${metric}`)).toEqual([]);
  });
});

describe('dashboards/provisioning', () => {
  const Datasources = z.object({
    datasources: z.array(
      z.object({ type: z.string(), url: z.string(), jsonData: z.object({ timeInterval: z.string() }) }),
    ),
  });
  const Providers = z.object({
    providers: z.array(z.object({ type: z.string(), options: z.object({ path: z.string() }) })),
  });
  const Containers = z.object({
    services: z.object({ grafana: z.object({ volumes: z.array(z.string()) }), prometheus: z.object({}) }),
  });
  const { datasources } = Datasources.parse(parse(read('dashboards/provisioning/datasources/prometheus.yml')));
  const { providers } = Providers.parse(parse(read('dashboards/provisioning/dashboards/plantao.yml')));

  it('tells Grafana how often Prometheus looks, from which it makes its ranges', () => {
    expect(datasources).toMatchObject([
      { type: 'prometheus', jsonData: { timeInterval: scrapes.global.scrape_interval } },
    ]);
  });

  it('finds what it names in the containers of docker-compose.yml', () => {
    const { services } = Containers.parse(parse(read('docker-compose.yml'), { merge: true }));
    const [provider] = providers;

    expect(new URL(datasources[0]?.url ?? '').hostname).toBe('prometheus');
    expect(services.grafana.volumes).toEqual(
      expect.arrayContaining([
        `./dashboards:${provider?.options.path ?? ''}:ro`,
        './dashboards/provisioning:/etc/grafana/provisioning:ro',
      ]),
    );
  });
});

type Place = z.infer<typeof Panel>['gridPos'];

function overlap(one: Place, other: Place): boolean {
  const besides = one.x + one.w <= other.x || other.x + other.w <= one.x;
  const below = one.y + one.h <= other.y || other.y + other.h <= one.y;
  return !besides && !below;
}

/** Grafana replaces its variables before it asks. */
function asGrafanaSendsIt(expr: string): string {
  return expr.replaceAll('$__rate_interval', '1m').replaceAll('$__range', '6h').replaceAll(/\$\w+/g, '.*');
}

const KEYWORDS = new Set(['or', 'and', 'unless', 'offset', 'bool']);

/** Whatever is neither a function, a keyword nor a label is a metric. */
function metricsIn(expr: string): readonly string[] {
  const bare = expr
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]|"[^"]*"/g, ' ')
    .replaceAll(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ')
    .replaceAll(/\boffset\s+\S+/g, ' ');
  return [...bare.matchAll(/(?<![\w$.])[a-z_]\w*(?!\w*\s*\()/gi)]
    .map(([name]) => name)
    .filter((name) => !KEYWORDS.has(name));
}

interface Matcher {
  readonly metric: string;
  readonly label: string;
  /** What it must be one of; none where anything of a pattern may be. */
  readonly values: readonly string[];
}

function matchersIn(expr: string): readonly Matcher[] {
  return [...expr.matchAll(/(\w+)\{([^}]*)\}/g)].flatMap(([, metric = '', inside = '']) =>
    [...inside.matchAll(/(\w+)(?:=~|!~|!=|=)"([^"]*)"/g)].map(([, label = '', value = '']) => ({
      metric,
      label,
      values: /^[\w|:-]+$/.test(value) ? value.split('|') : [],
    })),
  );
}

/** Those that Prometheus adds, and those that the code declares. */
function labelsOf(metric: string): readonly string[] {
  if (metric === 'up') return ['job', 'instance'];
  const Declared = z.object({ labelNames: z.array(z.string()) });
  const plain = metric.replace(/_(bucket|count|sum)$/, '');
  const found = registry.getSingleMetric(metric) ?? registry.getSingleMetric(plain);
  const declared = Declared.safeParse(found).data?.labelNames ?? [];
  return ['job', 'instance', ...declared, ...(metric.endsWith('_bucket') ? ['le'] : [])];
}

function isValueOf(label: string, value: string, code: string): boolean {
  if (label === 'le') return LATENCY_BUCKETS_SECONDS.includes(Number(value));
  if (label === 'job') return scrapes.scrape_configs.some(({ job_name }) => job_name === value);
  return code.includes(`'${value}'`);
}
