import { loadConfigOrExit, ServiceEnvironment } from './config.ts';
import { composeService } from './compose-service.ts';
import { collectProcessMetrics } from './platform/metrics.ts';
import { startObservation } from './platform/observation.ts';
import { runUntilSignal } from './platform/process.ts';
import { listen } from './platform/http-server.ts';

/** The HTTP service: `npm run serve`. */
const config = loadConfigOrExit(ServiceEnvironment);
const { log, close: lastWords } = await startObservation(config.observation, 'service');
collectProcessMetrics(config.observation.build);

await runUntilSignal(
  log,
  async () => {
    const { app, heart, health, closing } = await composeService(config, log);
    const server = await listen(app, { host: config.host, port: config.port });
    closing.keep('http server', server, (it) => it.close());
    heart.start();
    health.started();
    log.info({ event: 'service.started', port: server.port }, `The service listens on port ${server.port}`);
    return { health, closing, drain: (ms) => server.drain(ms) };
  },
  lastWords,
);
