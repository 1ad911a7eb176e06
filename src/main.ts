import { loadConfigOrExit, ServiceEnvironment } from './config.ts';
import { composeService } from './compose-service.ts';
import { createLogger } from './platform/logger.ts';
import { collectProcessMetrics } from './platform/metrics.ts';
import { runUntilSignal } from './platform/process.ts';
import { listen } from './platform/http-server.ts';

/** The HTTP service: `npm run serve`. */
const config = loadConfigOrExit(ServiceEnvironment);
const log = createLogger({ level: config.logLevel, process: 'service' });
collectProcessMetrics();

await runUntilSignal(log, async () => {
  const { app, health, closing } = await composeService(config, log);
  const server = await listen(app, { host: config.host, port: config.port });
  closing.keep('http server', server, (it) => it.close());
  health.started();
  log.info({ event: 'service.started', port: server.port }, `The service listens on port ${server.port}`);
  return { health, closing, drain: (ms) => server.drain(ms) };
});
