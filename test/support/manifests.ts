import path from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { exists, read } from '../drift/project.ts';

/** Any object of Kubernetes, as far as one has to know it to find it. */
export const Manifest = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string() }),
});
export type Manifest = z.infer<typeof Manifest>;

const Kustomization = z.strictObject({
  apiVersion: z.string(),
  kind: z.enum(['Kustomization', 'Component']),
  namespace: z.string().optional(),
  labels: z.array(z.looseObject({})).optional(),
  resources: z.array(z.string()).default([]),
  components: z.array(z.string()).default([]),
  images: z.array(z.object({ name: z.string(), newName: z.string(), newTag: z.string() })).default([]),
  replicas: z.array(z.object({ name: z.string(), count: z.number() })).default([]),
  patches: z.array(z.object({ path: z.string() })).default([]),
});

/**
 * What Kustomize makes of a folder, as far as our folders use it: resources, components, patches by merging or deletion,
 * replicas and images. It is stricter than Kustomize: a patch or a count without its object is an error.
 */
export function buildManifests(folder: string): readonly Manifest[] {
  const kustomization = Kustomization.parse(parse(read(path.join(folder, 'kustomization.yaml'))));
  const parts = [...kustomization.resources, ...kustomization.components];
  const missing = [...parts, ...kustomization.patches.map((it) => it.path)].filter(
    (it) => !exists(path.join(folder, it)),
  );
  if (missing.length > 0) throw new Error(`${folder} names what is not there: ${missing.join(', ')}`);
  let built = parts.flatMap((part) =>
    part.endsWith('.yaml') ? readManifests(path.join(folder, part)) : buildManifests(path.join(folder, part)),
  );
  for (const patch of kustomization.patches.flatMap((it) => readManifests(path.join(folder, it.path)))) {
    built = patched(built, patch);
  }
  for (const { name, count } of kustomization.replicas) {
    const target = built.find((it) => it.kind === 'Deployment' && it.metadata.name === name);
    if (target === undefined) throw new Error(`${folder} counts ${name}, which is not there`);
    built = built.map((it) => (it === target ? Manifest.parse(merged(it, { spec: { replicas: count } })) : it));
  }
  return built.map((it) => Manifest.parse(withImages(it, kustomization.images)));
}

export function readManifests(file: string): readonly Manifest[] {
  return parseAllDocuments(read(file)).map((document) => {
    if (document.errors.length > 0) throw new Error(`${file}: ${document.errors.join(', ')}`);
    return Manifest.parse(document.toJS());
  });
}

function patched(built: readonly Manifest[], patch: Manifest): Manifest[] {
  const isTarget = (it: Manifest): boolean =>
    it.apiVersion === patch.apiVersion && it.kind === patch.kind && it.metadata.name === patch.metadata.name;
  if (!built.some(isTarget)) throw new Error(`A patch is for ${patch.kind} ${patch.metadata.name}, which is not there`);
  if (patch.$patch === 'delete') return built.filter((it) => !isTarget(it));
  return built.map((it) => (isTarget(it) ? Manifest.parse(merged(it, patch)) : it));
}

const Named = z.array(z.looseObject({ name: z.string() }));
const Fields = z.record(z.string(), z.unknown());

/** Objects field by field, lists of named things by their names, all else replaced. */
function merged(base: unknown, patch: unknown): unknown {
  const [was, will] = [Named.safeParse(base), Named.safeParse(patch)];
  if (was.success && will.success) {
    const added = will.data.filter(({ name }) => !was.data.some((it) => it.name === name));
    return [...was.data.map((it) => merged(it, will.data.find(({ name }) => name === it.name) ?? {})), ...added];
  }
  const [from, over] = [Fields.safeParse(base), Fields.safeParse(patch)];
  if (!from.success || !over.success || Array.isArray(patch)) return patch;
  const changed = Object.entries(over.data).map(([key, value]) => [
    key,
    key in from.data ? merged(from.data[key], value) : value,
  ]);
  return { ...from.data, ...Fields.parse(Object.fromEntries(changed)) };
}

function withImages(value: unknown, images: z.infer<typeof Kustomization>['images']): unknown {
  if (Array.isArray(value)) return value.map((it) => withImages(it, images));
  const fields = Fields.safeParse(value);
  if (!fields.success) return value;
  return Object.fromEntries(
    Object.entries(fields.data).map(([key, it]) => {
      const image = key === 'image' ? images.find(({ name }) => name === it) : undefined;
      return [key, image === undefined ? withImages(it, images) : `${image.newName}:${image.newTag}`];
    }),
  );
}

export interface Watched {
  readonly value: unknown;
  /** The fields that nobody has looked at, by their paths. */
  unread(): readonly string[];
}

/**
 * A copy that knows which of its fields were read. The schemas of Kubernetes let unknown fields pass, and so does the
 * cluster, silently; but a field that a validator has never looked at is one that it does not know.
 */
export function watchReads(value: unknown, at = ''): Watched {
  if (typeof value !== 'object' || value === null) return { value, unread: () => [] };
  const read = new Set<string>();
  const inside = new Map<string, Watched>();
  const target: Record<string, unknown> | unknown[] = Array.isArray(value) ? [] : {};
  for (const [key, it] of Object.entries(value)) {
    const watched = watchReads(it, `${at}/${key}`);
    inside.set(key, watched);
    Object.assign(target, { [key]: watched.value });
  }
  return {
    value: new Proxy(target, {
      get: (from, key, receiver) => {
        if (typeof key === 'string') read.add(key);
        return Reflect.get(from, key, receiver) as unknown;
      },
    }),
    unread: () => [...inside].flatMap(([key, it]) => (read.has(key) ? it.unread() : [`${at}/${key}`])),
  };
}
