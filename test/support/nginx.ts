import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import https from 'node:https';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { isTaken, freePort } from '../../local/ports.ts';
import { findProgram } from './on-path.ts';
import { until } from './until.ts';

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export interface Asked {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Buffer;
}

/** An nginx with a site of ours, a certificate of its own, and the service behind it. */
export interface Nginx {
  readonly httpPort: number;
  readonly httpsPort: number;
  /** The certificate, which signs itself. */
  readonly certificate: Buffer;
  ask(url: string, request?: Asked): Promise<Answer>;
  log(): Promise<string>;
  errorLog(): Promise<string>;
  close(): Promise<void>;
}

/** @param site the text of a file for conf.d, led to the given service and to ports and a certificate of this test. */
export async function startNginx(site: string, service: string): Promise<Nginx> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'plantao-nginx-'));
  const file = (name: string): string => path.join(directory, name);
  const subject = ['-subj', '/CN=bot.example.com', '-addext', 'subjectAltName=DNS:bot.example.com'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file('key.pem')];
  execFileSync('openssl', ['req', '-x509', ...key, ...subject, '-days', '2', '-out', file('certificate.pem')], {
    stdio: 'ignore',
  });
  const [httpPort, httpsPort] = [await freePort(), await freePort()];
  const placed = site
    .replaceAll(/^ *listen \[::\].*$/gm, '')
    .replace('listen 80;', `listen 127.0.0.1:${httpPort};`)
    .replace('listen 443 ssl', `listen 127.0.0.1:${httpsPort} ssl`)
    .replace('server 127.0.0.1:8080', `server ${new URL(service).host}`)
    .replace(/ssl_certificate \S+;/, `ssl_certificate ${file('certificate.pem')};`)
    .replace(/ssl_certificate_key \S+;/, `ssl_certificate_key ${file('key.pem')};`)
    .replace(/access_log \S+/, `access_log ${file('access.log')}`)
    .replace(/error_log \S+/, `error_log ${file('error.log')}`);
  await writeFile(file('site.conf'), placed);
  await writeFile(file('nginx.conf'), mainConfiguration(directory));
  const program = findProgram('nginx') ?? '';
  const given = ['-p', directory, '-c', file('nginx.conf'), '-e', file('error.log')];
  execFileSync(program, ['-t', '-q', ...given]);
  const server = spawn(program, given, { stdio: 'ignore' });
  await until(async () => server.exitCode !== null || (await isTaken(httpsPort, '127.0.0.1')));
  if (server.exitCode !== null) throw new Error(`nginx ended: ${await readFile(file('error.log'), 'utf8')}`);
  const certificate = await readFile(file('certificate.pem'));
  const agent = new https.Agent({ ca: certificate, servername: 'bot.example.com', keepAlive: true, maxSockets: 50 });
  return {
    httpPort,
    httpsPort,
    certificate,
    ask: (url, request = {}) => ask({ agent, port: httpsPort, url, ...request }),
    log: () => readFile(file('access.log'), 'utf8'),
    errorLog: () => readFile(file('error.log'), 'utf8'),
    close: async () => {
      agent.destroy();
      const gone = once(server, 'exit');
      server.kill('SIGKILL');
      await gone;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** What Debian's own nginx.conf would be, in one process and without a place of this machine. */
function mainConfiguration(directory: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (it) => `${it}_temp_path ${directory}/${it};`,
  );
  return `daemon off; master_process off; pid ${directory}/nginx.pid; error_log ${directory}/error.log warn;
events { worker_connections 768; }
http { ${temporary.join(' ')} include ${directory}/site.conf; }\n`;
}

async function ask(given: Asked & { agent: https.Agent; port: number; url: string }): Promise<Answer> {
  const { agent, port, url, method = 'GET', headers = {}, body } = given;
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
  const request = https.request({
    agent,
    host: '127.0.0.1',
    port,
    path: url,
    method,
    headers: { host: 'bot.example.com', ...length, ...headers },
  });
  // A body that is refused is cut off while it is sent; the answer has come before.
  request.on('error', () => undefined);
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() };
}
