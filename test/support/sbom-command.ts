import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';

/*
 * `npm run sbom`: writes what is shipped into a file, in CycloneDX.
 *
 * npm itself, asked to leave out what only development needs, leaves out whatever development needs as well [65 of 191
 * packages with npm 11.19]. So it is asked for all, and what the lock file marks as development alone is taken away here.
 */
const Lock = z.object({
  packages: z.record(z.string(), z.object({ version: z.string().optional(), dev: z.boolean().default(false) })),
});
const Bom = z.looseObject({
  metadata: z.looseObject({ component: z.looseObject({ 'bom-ref': z.string() }) }),
  components: z.array(z.looseObject({ 'bom-ref': z.string(), name: z.string(), version: z.string() })),
  dependencies: z.array(z.looseObject({ ref: z.string(), dependsOn: z.array(z.string()) })),
});

const [file = 'sbom.cdx.json'] = process.argv.slice(2);
const asked = ['sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'application', '--package-lock-only'];
const { stdout, stderr, status } = spawnSync('npm', asked, { encoding: 'utf8', maxBuffer: 64 * 1_048_576 });
if (status !== 0) {
  process.stderr.write(stderr);
  process.exit(1);
}
const lock = Lock.parse(JSON.parse(readFileSync('package-lock.json', 'utf8')));
const shipped = new Set(
  Object.entries(lock.packages).flatMap(([place, { version = '', dev }]) =>
    place === '' || dev ? [] : [`${place.split('node_modules/').at(-1) ?? ''}@${version}`],
  ),
);
const bom = Bom.parse(JSON.parse(stdout));
const components = bom.components.filter(({ name, version }) => shipped.has(`${name}@${version}`));
const kept = new Set([bom.metadata.component['bom-ref'], ...components.map((it) => it['bom-ref'])]);
const dependencies = bom.dependencies
  .filter(({ ref }) => kept.has(ref))
  .map((it) => ({ ...it, dependsOn: it.dependsOn.filter((ref) => kept.has(ref)) }));
writeFileSync(file, `${JSON.stringify({ ...bom, components, dependencies }, undefined, 2)}\n`);
process.stdout.write(`${components.length} packages in ${file}\n`);
