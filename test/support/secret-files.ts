import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** Secrets as an orchestrator hands them out: a file each, replaced as a whole. */
export class SecretFiles {
  readonly #directory = mkdtempSync(path.join(os.tmpdir(), 'plantao-secrets-'));

  /** `X_FILE` for each of these, written as given. */
  environment(secrets: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    for (const [name, value] of Object.entries(secrets)) this.write(name, value);
    return Object.fromEntries(
      Object.keys(secrets).flatMap((name) => [
        [name, ''],
        [`${name}_FILE`, this.#file(name)],
      ]),
    );
  }

  /** From now on the file holds this. */
  write(name: string, value: string): void {
    const next = `${this.#file(name)}.next`;
    writeFileSync(next, `${value}\n`, { mode: 0o600 });
    renameSync(next, this.#file(name));
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #file(name: string): string {
    return path.join(this.#directory, name);
  }
}
