import { optionsOf, planFrom } from './lib/scenario.ts';
import { begin, postNext, verifyAll } from './lib/run.ts';
import type { Begun } from './lib/run.ts';
import { minutes } from './lib/settings.ts';

/**
 * A campaign goes out. With the product started by `npm run load -- stage`, or by `npm start` as k6/README.md says:
 *
 *     k6 run -e BASE_URL=… -e CHANNEL_ID=… -e SECRET=… -e SINK_URL=… k6/webhook-burst.ts
 *
 * Its twin without k6: `npm run load -- burst`.
 */
const profile = planFrom('burst', minutes());

export const options = optionsOf(profile);

export function setup(): Begun {
  return begin(profile);
}

export function post(begun: Begun): void {
  postNext(begun, profile);
}

export function verification(begun: Begun): void {
  verifyAll(begun, profile);
}
