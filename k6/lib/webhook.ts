import { hmac } from 'k6/crypto';
import http from 'k6/http';
import type { RefinedResponse } from 'k6/http';
import { Counter, Rate } from 'k6/metrics';
import { phoneOf, webhookBody } from './questions.ts';
import { setting } from './settings.ts';
import { THRESHOLDS } from './thresholds.ts';

const bad = new Rate('webhooks_bad');
const failed = new Rate('webhooks_failed');
const rejected = new Counter('webhooks_rejected');
const notAuthentic = new Counter('webhooks_not_authentic');

/** A customer's gateway waits no longer either. */
export const WEBHOOK_TIMEOUT_SECONDS = 10;
const JSON_HEADERS = { 'Content-Type': 'application/json' };

/** Posts one message as a gateway that signs, and tells the sink when nobody said yes to it. */
export function postMessage(run: string, number: number, customers: number): void {
  // eslint-disable-next-line no-restricted-syntax -- k6 has no module of ours, and no clock that a test moves.
  const body = webhookBody({ run, number, postedAtMs: Date.now() }, phoneOf(number, customers));
  const answer = http.post(`${setting('BASE_URL')}/webhooks/whaticket/${setting('CHANNEL_ID')}`, body, {
    headers: { ...JSON_HEADERS, 'X-Webhook-Signature': hmac('sha256', setting('SECRET'), body, 'hex') },
    tags: { kind: 'webhook' },
    timeout: `${WEBHOOK_TIMEOUT_SECONDS}s`,
  });
  note(answer);
  if (answer.status >= 200 && answer.status < 300) return;
  const refused = JSON.stringify({ run, number });
  http.post(`${setting('SINK_URL')}/refused`, refused, { headers: JSON_HEADERS, tags: { kind: 'sink' } });
}

function note({ status, timings }: RefinedResponse<'none' | 'text' | 'binary'>): void {
  const isTaken = status >= 200 && status < 300;
  bad.add(!isTaken || timings.duration > THRESHOLDS.intakeWithinSeconds * 1_000);
  failed.add(status === 0 || status >= 500);
  rejected.add(status === 401 || status === 429 ? 1 : 0);
  notAuthentic.add(status === 401 ? 1 : 0);
}
