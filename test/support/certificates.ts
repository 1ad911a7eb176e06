import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';
import { giveTo, serverUser } from '../../backup/postgres-tools.ts';

/** An authority that signs, and a server that it has signed for; all of it files. */
export interface Certificates {
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];

/**
 * Makes an authority of this name, and the certificate of a server that is called `localhost` and nothing else.
 *
 * @param folder one that the servers' user may enter. Needs openssl.
 */
export function makeCertificates(folder: string, name: string): Certificates {
  const file = (what: string): string => path.join(folder, `${name}-${what}.pem`);
  const [authority, authorityKey, certificate, key] = [file('ca'), file('ca-key'), file('server'), file('server-key')];
  openssl(['req', '-x509', ...CURVE, '-subj', `/CN=${name}`, '-keyout', authorityKey, '-out', authority]);
  openssl([
    ...['req', '-x509', ...CURVE, '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'],
    ...['-addext', 'basicConstraints=critical,CA:FALSE', '-CA', authority, '-CAkey', authorityKey],
    ...['-keyout', key, '-out', certificate],
  ]);
  // PostgreSQL takes no key that others may read, and runs as another user where we are root.
  giveTo(serverUser(), key);
  return { authority, certificate, key };
}

function openssl(given: readonly string[]): void {
  execFileSync('openssl', given, { stdio: 'pipe' });
}

/** Why no certificates can be made here; undefined when they can. Signing in one step came with version 3. */
export function whyNoCertificates(): string | undefined {
  const { stdout } = spawnSync('openssl', ['version'], { encoding: 'utf8' });
  return /^OpenSSL (?:[3-9]|\d\d)\./.test(stdout) ? undefined : 'no openssl 3 on PATH';
}
