import fs from 'node:fs';
import path from 'node:path';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { projectFiles, read } from '../drift/project.ts';

const Labels = z.record(z.string(), z.string());
const Rule = z.looseObject({
  record: z.string().optional(),
  alert: z.string().optional(),
  expr: z.string(),
  for: z.string().optional(),
  labels: Labels.default({}),
  annotations: Labels.default({}),
});
export type Rule = z.infer<typeof Rule>;
const RuleFile = z.object({ groups: z.array(z.looseObject({ name: z.string(), rules: z.array(Rule) })) });

const RuleTest = z.looseObject({
  eval_time: z.string(),
  alertname: z.string(),
  exp_alerts: z.array(z.object({ exp_labels: Labels, exp_annotations: Labels })),
});
const RuleTestFile = z.looseObject({
  rule_files: z.array(z.string()),
  tests: z.array(z.looseObject({ name: z.string(), alert_rule_test: z.array(RuleTest) })),
});
export type RuleTest = z.infer<typeof RuleTest>;

/** Paths of the project, so that a program that starts in its folder finds them. */
export const RULE_FILES = projectFiles().filter((file) => /^alerts\/[^/]+\.rules\.yml$/.test(file));
export const RULE_TEST_FILES = projectFiles().filter((file) => /^alerts\/tests\/[^/]+\.test\.yml$/.test(file));

/** Every rule, of alerts and of what they are reckoned from. */
export function readRules(): readonly Rule[] {
  return RULE_FILES.flatMap((file) => RuleFile.parse(parse(read(file))).groups).flatMap(({ rules }) => rules);
}

/** The names of the alerts; one name may have several rules, e.g. for a ticket and for a page. */
export function alertNames(): readonly string[] {
  return [...new Set(readRules().flatMap(({ alert }) => alert ?? []))].toSorted();
}

/** What the tests of the rules expect, moment by moment. */
export function readRuleTests(): readonly RuleTest[] {
  return RULE_TEST_FILES.flatMap((file) => RuleTestFile.parse(parse(read(file))).tests).flatMap(
    (group) => group.alert_rule_test,
  );
}

/**
 * Writes a file of tests into a folder, with those of its alerts that it names: promtool evaluates all that it is given at
 * every step, and the alerts of the other files take four fifths of its time.
 *
 * @returns its path.
 */
export function writeWithItsAlerts(file: string, folder: string): string {
  const tests = RuleTestFile.parse(parse(read(file)));
  const named = new Set(tests.tests.flatMap((one) => one.alert_rule_test.map(({ alertname }) => alertname)));
  for (const given of tests.rule_files) {
    const { groups } = RuleFile.parse(parse(read(path.join(path.dirname(file), given))));
    const kept = groups.map(({ rules, ...group }) => {
      return { ...group, rules: rules.filter(({ alert }) => alert === undefined || named.has(alert)) };
    });
    fs.writeFileSync(path.join(folder, path.basename(given)), stringify({ groups: kept }));
  }
  const written = path.join(folder, path.basename(file));
  const ruleFiles = tests.rule_files.map((given) => path.basename(given));
  fs.writeFileSync(written, stringify({ ...tests, rule_files: ruleFiles }));
  return written;
}
