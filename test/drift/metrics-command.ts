import fs from 'node:fs';
import { METRICS_PAGE, metricsPage } from './metrics-page.ts';

/** `npm run metrics`: writes the page of all metrics to docs/metrics.md. */
fs.writeFileSync(METRICS_PAGE, metricsPage());
