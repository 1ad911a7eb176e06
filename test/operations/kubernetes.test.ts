import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { VARIABLES } from '../../src/config.ts';
import { exists, projectFiles, read, readPackage } from '../drift/project.ts';
import { buildManifests, watchReads } from '../support/manifests.ts';
import type { Manifest } from '../support/manifests.ts';

const FOLDER = 'deploy/kubernetes';
const FOLDERS = ['migrate', 'overlays/small', 'overlays/large'] as const;
const built = new Map(FOLDERS.map((it) => [it, buildManifests(path.join(FOLDER, it))]));
const everything = [...built.values()].flat();

/** The operator's own definition has no package; this is what its documentation asks for. */
const PodMonitor = z.strictObject({
  apiVersion: z.literal('monitoring.coreos.com/v1'),
  kind: z.literal('PodMonitor'),
  metadata: z.strictObject({ name: z.string() }),
  spec: z.strictObject({
    selector: z.strictObject({ matchLabels: z.record(z.string(), z.string()) }),
    podMetricsEndpoints: z.array(
      z.strictObject({
        port: z.string(),
        path: z.string(),
        interval: z.string(),
        scrapeTimeout: z.string(),
        relabelings: z.array(
          z.strictObject({ sourceLabels: z.array(z.string()), targetLabel: z.string(), replacement: z.string() }),
        ),
      }),
    ),
  }),
});

interface Validated {
  validate(this: unknown): void;
}

interface ModelOfKind {
  readonly prototype: Validated;
  readonly apiVersion: unknown;
}

/** Where the model of each kind is. Their declarations do not pass our own check of types, so they are loaded without. */
const MODULES: Readonly<Record<string, readonly string[]>> = {
  'kubernetes-models/v1': ['ConfigMap', 'Namespace', 'Service', 'ServiceAccount'],
  'kubernetes-models/apps/v1': ['Deployment'],
  'kubernetes-models/autoscaling/v2': ['HorizontalPodAutoscaler'],
  'kubernetes-models/batch/v1': ['Job'],
  'kubernetes-models/networking.k8s.io/v1': ['Ingress', 'NetworkPolicy'],
  'kubernetes-models/policy/v1': ['PodDisruptionBudget'],
  '@kubernetes-models/keda/keda.sh/v1alpha1': ['ScaledObject'],
};
const Model = z.custom<ModelOfKind>((it) => typeof it === 'function' && 'apiVersion' in it);

async function modelsIn(
  module: string,
  kinds: readonly string[],
): Promise<readonly (readonly [string, ModelOfKind])[]> {
  const loaded: unknown = await import(module);
  const models = z.record(z.string(), z.unknown()).parse({ ...z.looseObject({}).parse(loaded) });
  return kinds.map((kind) => [kind, Model.parse(models[kind])] as const);
}

const MODELS = new Map((await Promise.all(Object.entries(MODULES).map((it) => modelsIn(...it)))).flat());

/** What the schema of its kind says against a manifest, as sentences. */
function wrongWith(manifest: Manifest): readonly string[] {
  const name = `${manifest.kind} ${manifest.metadata.name}`;
  if (manifest.kind === 'PodMonitor') {
    const parsed = PodMonitor.safeParse(manifest);
    return parsed.success ? [] : [`${name}: ${parsed.error.message}`];
  }
  const model = MODELS.get(manifest.kind);
  if (model === undefined) return [`${name}: nobody knows this kind`];
  const watched = watchReads(manifest);
  try {
    // On the watched object itself: a model would be a copy.
    model.prototype.validate.call(watched.value);
    const unknown = watched.unread().map((field) => `${name}: no schema knows ${field}`);
    return model.apiVersion === manifest.apiVersion ? unknown : [`${name}: ${manifest.apiVersion}`, ...unknown];
  } catch (error) {
    return [`${name}: ${String(error)}`];
  }
}

const Probe = z.object({
  httpGet: z.object({ path: z.string(), port: z.literal('http') }),
  failureThreshold: z.number(),
});
const Workload = z.object({
  kind: z.string(),
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    replicas: z.number().optional(),
    template: z.object({
      metadata: z.object({ labels: z.record(z.string(), z.string()) }),
      spec: z.object({
        automountServiceAccountToken: z.literal(false),
        terminationGracePeriodSeconds: z.number(),
        securityContext: z.object({
          runAsNonRoot: z.literal(true),
          runAsUser: z.number().min(1),
          seccompProfile: z.object({ type: z.literal('RuntimeDefault') }),
        }),
        containers: z.tuple([
          z.object({
            name: z.string(),
            image: z.string(),
            command: z.array(z.string()).optional(),
            env: z.array(z.object({ name: z.string(), value: z.string() })),
            startupProbe: Probe.optional(),
            livenessProbe: Probe.optional(),
            readinessProbe: Probe.optional(),
            lifecycle: z.object({ preStop: z.object({ sleep: z.object({ seconds: z.number() }) }) }).optional(),
            resources: z.object({
              requests: z.object({ cpu: z.string(), memory: z.string() }),
              limits: z.object({ memory: z.string() }),
            }),
            // What Pod Security calls `restricted`, and a root that cannot be written.
            securityContext: z.object({
              allowPrivilegeEscalation: z.literal(false),
              readOnlyRootFilesystem: z.literal(true),
              capabilities: z.object({ drop: z.tuple([z.literal('ALL')]) }),
            }),
          }),
        ]),
        volumes: z.array(
          z.object({
            name: z.string(),
            secret: z.object({ secretName: z.string(), items: z.array(z.object({ path: z.string() })) }).optional(),
            emptyDir: z.object({ sizeLimit: z.string() }).optional(),
          }),
        ),
      }),
    }),
  }),
});
const workloads = everything
  .filter(({ kind }) => kind === 'Deployment' || kind === 'Job')
  .map((manifest) => Workload.parse(manifest));
const deployments = workloads.filter(({ kind }) => kind === 'Deployment');

describe('every manifest of deploy/kubernetes', () => {
  it.each(FOLDERS)('that %s makes is what its schema asks for', (folder) => {
    const manifests = built.get(folder) ?? [];

    expect(manifests.length).toBeGreaterThan(2);
    expect(manifests.flatMap(wrongWith)).toEqual([]);
  });

  it('is part of what some overlay makes', () => {
    const kustomizations = projectFiles().filter((it) => it.startsWith(FOLDER) && it.endsWith('kustomization.yaml'));
    const named = kustomizations.map(read).join('\n');
    const files = projectFiles().filter((it) => it.startsWith(FOLDER) && /\.ya?ml$/.test(it));

    expect(files.filter((it) => !it.endsWith('kustomization.yaml') && !named.includes(path.basename(it)))).toEqual([]);
  });

  it('runs one version: that of the package', () => {
    const images = workloads.map((it) => it.spec.template.spec.containers[0].image);

    expect([...new Set(images)]).toEqual([`registry.example.com/plantao:${readPackage().version}`]);
  });
});

describe('the pods', () => {
  it('start programs that are there, with settings that are read and secrets by reference', () => {
    for (const { metadata, spec } of workloads) {
      const [container] = spec.template.spec.containers;
      const files = spec.template.spec.volumes.flatMap((it) => it.secret?.items.map((item) => item.path) ?? []);
      const asked = container.env.map(({ value }) => value.replace('/run/secrets/plantao/', ''));

      expect([metadata.name, ...(container.command ?? []).filter((it) => it.endsWith('.ts') && !exists(it))]).toEqual([
        metadata.name,
      ]);
      expect(container.env.filter(({ name }) => !VARIABLES.includes(name.replace(/_FILE$/, '')))).toEqual([]);
      expect(container.env.filter(({ name }) => !name.endsWith('_FILE'))).toEqual([]);
      expect(asked).toEqual(files);
    }
    const settings = everything
      .filter(({ kind }) => kind === 'ConfigMap')
      .flatMap((it) => Object.keys(z.record(z.string(), z.string()).parse(it.data)));
    expect(settings.filter((name) => !VARIABLES.includes(name))).toEqual([]);
    expect(everything.filter(({ kind }) => kind === 'Secret')).toEqual([]);
  });

  it('are asked for their start, their life and their readiness', () => {
    for (const { spec } of deployments) {
      const [container] = spec.template.spec.containers;
      const asked = [container.startupProbe, container.livenessProbe, container.readinessProbe];

      expect(asked.map((it) => it?.httpGet.path)).toEqual(['/startupz', '/livez', '/readyz']);
    }
  });

  it('have the time to end: what they sleep before it, and the 25 seconds that it may take', () => {
    const [, endMs = ''] = /END_WITHIN_MS = ([\d_]+)/.exec(read('src/platform/process.ts')) ?? [];
    const endSeconds = Number(endMs.replaceAll('_', '')) / 1_000;
    const short = deployments.filter(({ spec }) => {
      const { containers, terminationGracePeriodSeconds: grace } = spec.template.spec;
      return grace < (containers[0].lifecycle?.preStop.sleep.seconds ?? 0) + endSeconds + 5;
    });

    expect(short.map((it) => it.metadata.name)).toEqual([]);
    expect(deployments.filter((it) => it.spec.template.spec.containers[0].lifecycle !== undefined)).toHaveLength(2);
  });

  it('have more memory than the heap may take', () => {
    const [, heapMegabytes = ''] = /--max-old-space-size=(\d+)/.exec(read('Dockerfile')) ?? [];
    const limits = deployments.map((it) =>
      Number.parseInt(it.spec.template.spec.containers[0].resources.limits.memory),
    );

    expect(limits.filter((limit) => !(limit > 2 * Number(heapMegabytes)))).toEqual([]);
  });
});

describe('what surrounds the pods', () => {
  const Target = z.object({ scaleTargetRef: z.object({ name: z.string() }) });
  const Selector = z.object({ matchLabels: z.record(z.string(), z.string()).default({}) });

  it('leaves the number to an autoscaler, or gives one, and always two at least', () => {
    for (const folder of ['overlays/small', 'overlays/large'] as const) {
      const manifests = built.get(folder) ?? [];
      const scaled = manifests.flatMap((it) => {
        const target = Target.safeParse(it.spec);
        return target.success ? [target.data.scaleTargetRef.name] : [];
      });
      const counted = manifests.flatMap((it) => {
        const workload = Workload.safeParse(it);
        return workload.success && workload.data.spec.replicas !== undefined ? [it.metadata.name] : [];
      });
      const least = manifests.flatMap(
        (it) => /"(?:minReplicas|minReplicaCount|replicas)":(\d+)/.exec(JSON.stringify(it))?.[1] ?? [],
      );

      expect([...scaled, ...counted].toSorted()).toEqual(['plantao-service', 'plantao-worker']);
      expect(least.filter((it) => Number(it) < 2)).toEqual([]);
    }
  });

  it('scales workers by the age and the number of what waits, which the product measures', () => {
    const backlog = read('src/recovery/backlog.ts');
    const scaled = JSON.stringify(built.get('overlays/large')?.find(({ kind }) => kind === 'ScaledObject'));

    for (const metric of ['plantao_inbox_oldest_unprocessed_seconds', 'plantao_queue_jobs']) {
      expect(scaled).toContain(metric);
      expect(backlog).toContain(`'${metric}'`);
    }
  });

  it('selects pods that are there', () => {
    const labels = workloads.map((it) => it.spec.template.metadata.labels);
    const selectors = everything.flatMap((manifest) => {
      const { spec } = z.object({ spec: z.looseObject({}).default({}) }).parse(manifest);
      const given = [spec.selector, spec.podSelector].flatMap((it) => {
        const parsed = Selector.safeParse(it);
        return parsed.success ? [parsed.data.matchLabels] : [];
      });
      const ofService = manifest.kind === 'Service' ? [z.record(z.string(), z.string()).parse(spec.selector)] : [];
      return [...given, ...ofService].map((selector) => ({
        name: `${manifest.kind} ${manifest.metadata.name}`,
        selector,
      }));
    });
    const lost = selectors.filter(
      ({ selector }) => !labels.some((it) => Object.entries(selector).every(([key, value]) => it[key] === value)),
    );

    expect(selectors.length).toBeGreaterThan(10);
    expect(lost).toEqual([]);
  });

  it('lets nobody in or out but who is named, and gives no path to health and metrics', () => {
    for (const folder of ['overlays/small', 'overlays/large'] as const) {
      const policies = built.get(folder)?.filter(({ kind }) => kind === 'NetworkPolicy') ?? [];
      const ingress = JSON.stringify(built.get(folder)?.find(({ kind }) => kind === 'Ingress'));

      expect(policies.map(({ spec }) => spec)).toContainEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
      expect(ingress.match(/"path":"[^"]*"/g)).toEqual(['"path":"/webhooks/"', '"path":"/api/"']);
    }
  });
});

describe('deploy/kubernetes/deploy.sh', () => {
  let directory = '';

  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  /** A kubectl that writes down what it is asked and given, and whose migration ends as told. */
  async function deploy(end: 'complete' | 'failed'): Promise<{ status: number | null; asked: string; said: string }> {
    directory = await mkdtemp(path.join(os.tmpdir(), 'plantao-kubectl-'));
    const [log, kubectl] = [path.join(directory, 'log'), path.join(directory, 'kubectl')];
    await writeFile(
      kubectl,
      `#!/bin/sh
echo "$*" >> ${log}
case $* in
*--for=condition=${end}*) exit 0 ;;
*--for=*) exit 1 ;;
kustomize*/overlays/*) printf '%s\\n' '      - image: registry.example.com/plantao:2.0.0' '        image: registry.example.com/plantao:2.0.0' ;;
kustomize*) echo '        image: registry.example.com/plantao:0.1.0' ;;
apply*-) cat >> ${log} ;;
esac
`,
    );
    await chmod(kubectl, 0o755);
    const run = spawnSync('sh', [path.join(FOLDER, 'deploy.sh'), 'small'], {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${directory}:${process.env.PATH ?? ''}` },
    });
    return { status: run.status, asked: await readFile(log, 'utf8'), said: run.stderr };
  }

  it('applies the overlay when the migration went well, and waits until it runs', async () => {
    const { status, asked } = await deploy('complete');

    expect(status).toBe(0);
    // Both ends of a pipe are started at once: either may be noted first.
    expect(asked).toMatch(/kustomize \S+\/migrate\n[^]*apply -k \S+\/overlays\/small\n/);
    expect(asked).toMatch(/apply -f -\n[^]*apply -k /);
    expect(asked).toContain('rollout status deployment/plantao-service');
  });

  it('migrates with the image that the overlay runs', async () => {
    const { asked } = await deploy('complete');

    expect(asked).toContain('image: registry.example.com/plantao:2.0.0');
    expect(asked).not.toContain('plantao:0.1.0');
  });

  it('stops at a migration that failed: what runs goes on', async () => {
    const { status, asked, said } = await deploy('failed');

    expect(status).toBe(1);
    expect(asked).not.toContain('apply -k');
    expect(said).toContain('The schema is as it was');
  });
});

describe('deploy/kubernetes/alerts.sh', () => {
  it('gives the operator every rule as it stands in alerts/', async () => {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'plantao-kubectl-'));
    const kubectl = path.join(directory, 'kubectl');
    await writeFile(kubectl, '#!/bin/sh\necho ---\ncat\n');
    await chmod(kubectl, 0o755);
    const { stdout } = spawnSync('sh', [path.join(FOLDER, 'alerts.sh')], {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${directory}:${process.env.PATH ?? ''}`, RULE_LABELS: 'release: prometheus' },
    });
    await rm(directory, { recursive: true });
    const given = parseAllDocuments(stdout).map((document) => document.toJS() as unknown);

    expect(given).toEqual(
      ['slo', 'plantao'].map((name) => ({
        apiVersion: 'monitoring.coreos.com/v1',
        kind: 'PrometheusRule',
        metadata: { name: `plantao-${name}`, namespace: 'plantao', labels: { release: 'prometheus' } },
        spec: parse(read(`alerts/${name}.rules.yml`)) as unknown,
      })),
    );
  });
});
