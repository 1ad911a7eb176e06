import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { CollectorStandIn } from '../support/collector-stand-in.ts';
import { NodeProcess } from '../support/node-process.ts';
import { SentryStandIn } from '../support/sentry-stand-in.ts';
import { Town } from '../support/town.ts';

let town: Town;
let sentry: SentryStandIn;
let collector: CollectorStandIn;

beforeAll(async () => {
  town = await Town.start({ worker: false });
});

afterAll(async () => {
  await town.close();
});

beforeEach(async () => {
  sentry = await SentryStandIn.start();
  collector = await CollectorStandIn.start();
});

afterEach(async () => {
  await sentry.close();
  await collector.close();
});

async function startWorker(preload: string, environment: Readonly<Record<string, string>> = {}): Promise<NodeProcess> {
  return await NodeProcess.start({
    file: 'workers/main.ts',
    startedEvent: 'worker.started',
    preload,
    environment: { ...town.environment, ...environment },
  });
}

describe('a worker that meets a mistake of ours', () => {
  it('reports it before it ends with code 1, without the words', async () => {
    const environment = { SENTRY_DSN: sentry.dsn, SENTRY_ENVIRONMENT: 'homologation', BUILD_COMMIT: 'abc1234' };
    const worker = await startWorker('test/support/throws-later.ts', environment);

    worker.signal('SIGUSR2');
    await worker.isGone();

    expect(worker.exitCode).toBe(1);
    expect(sentry.events).toEqual([
      expect.objectContaining({
        level: 'fatal',
        environment: 'homologation',
        release: expect.stringMatching(/^plantao@\d+\.\d+\.\d+\+abc1234$/),
        tags: expect.objectContaining({ process: 'worker', said: 'The process cannot go on' }),
      }),
    ]);
    expect(sentry.envelopes.join()).toContain('throws-later.ts');
    expect(sentry.envelopes.join()).not.toMatch(/Canário|5511987650001/);
  }, 40_000);

  it('ends all the same when nobody takes the report', async () => {
    sentry.isSilent = true;
    const worker = await startWorker('test/support/throws-later.ts', { SENTRY_DSN: sentry.dsn });

    worker.signal('SIGUSR2');
    await worker.isGone();

    expect(worker.exitCode).toBe(1);
  }, 40_000);
});

describe('a worker that is asked to report nothing', () => {
  it('does not even load the packages for it', async () => {
    const worker = await startWorker('test/support/loaded-packages.ts');

    expect(await worker.end()).toBe(0);
    expect(worker.said).toContain('"packages.loaded"');
    expect(worker.said).toContain('"bullmq"');
    // The interface of OpenTelemetry, without anything behind it, comes with prom-client.
    expect(worker.said).not.toMatch(/"(?:@sentry\/|@opentelemetry\/(?!api"))/);
  }, 40_000);

  it('as it does where it is asked to', async () => {
    const environment = { SENTRY_DSN: sentry.dsn, OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint };
    const worker = await startWorker('test/support/loaded-packages.ts', environment);

    expect(await worker.end()).toBe(0);
    expect(worker.said).toMatch(
      /"@sentry\/node".*"@opentelemetry\/sdk-trace"|"@opentelemetry\/sdk-trace".*"@sentry\/node"/,
    );
  }, 40_000);
});
