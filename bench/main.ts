import { parseArgs } from 'node:util';
import path from 'node:path';
import { Ground } from './ground.ts';
import { measureIntake } from './intake.ts';
import { describeMachine } from './machine.ts';
import { measurePath } from './path.ts';
import { measurePrompt } from './prompt.ts';
import { printFindings, printSection } from './report.ts';
import type { Section } from './report.ts';
import { measureWorkerKilled } from './worker-killed.ts';

/** `npm run bench [-- --only intake,path] [--json] [--profile <folder>]`: the product's numbers on this machine. */
const SECTIONS: Readonly<Record<string, (ground: Ground) => Promise<Section>>> = {
  intake: measureIntake,
  path: measurePath,
  prompt: measurePrompt,
  'worker-killed': measureWorkerKilled,
};

const { values: options } = parseArgs({
  options: { only: { type: 'string' }, json: { type: 'boolean', default: false }, profile: { type: 'string' } },
});
const names = options.only?.split(',') ?? Object.keys(SECTIONS);
const unknown = names.filter((name) => !(name in SECTIONS));
if (unknown.length > 0) {
  console.error(`There is no section ${unknown.join(', ')}. The sections are: ${Object.keys(SECTIONS).join(', ')}`);
  process.exit(64);
}

const ground = await Ground.open({
  profiles: options.profile === undefined ? undefined : path.resolve(options.profile),
});
process.once('SIGINT', () => {
  void ground.close().finally(() => process.exit(130));
});
// Databases outlive the process that started them; whatever goes wrong here, they must not.
process.once('uncaughtException', (error) => {
  console.error(error);
  void ground.close().finally(() => process.exit(1));
});
const sections: Section[] = [];
try {
  const machine = describeMachine({ postgres: await ground.postgresVersion(), redis: ground.redis.description });
  if (!options.json) console.log(machine);
  for (const name of names) {
    const section = await SECTIONS[name]?.(ground);
    if (section === undefined) continue;
    sections.push(section);
    if (!options.json) printSection(section);
  }
  const findings = sections.flatMap((section) => section.findings);
  if (options.json) console.log(JSON.stringify({ machine, sections }, undefined, 2));
  else printFindings(findings);
} finally {
  await ground.close();
}
// A missed target is a fact to print. A message that got lost, or came twice, is a failure.
if (sections.some((section) => section.problems.length > 0)) process.exitCode = 1;
