import { createHmac } from 'node:crypto';
import { registerHooks } from 'node:module';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';

/*
 * The part of k6 that the scripts in k6/ use, on Node: the logic of a script can be run where there is no k6. It sends for
 * real, and its calls block as those of k6 do. What is not here: executors, thresholds, k6's own metrics.
 */

export type Noted = Readonly<Record<string, { readonly sum: number; readonly count: number }>>;

/** Scripts count the seconds that they sleep, and look at no clock: here theirs pass faster. */
const SECOND_MS = 20;

const noted: Record<string, { sum: number; count: number }> = {};
/** What `k6/execution` says; whoever runs a script counts. */
export const execution = { scenario: { iterationInTest: 0 }, instance: { iterationsCompleted: 0 } };

export function readNoted(): Noted {
  return noted;
}

class Metric {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
    noted[name] = { sum: 0, count: 0 };
  }

  add(value: number | boolean): void {
    const { sum, count } = noted[this.#name] ?? { sum: 0, count: 0 };
    noted[this.#name] = { sum: sum + Number(value), count: count + 1 };
  }
}

interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly timings: { readonly duration: number };
}

/** Fetches for a thread that must not return before it has the answer. */
const FETCHER = `
  const { workerData: { port, gate } } = require('node:worker_threads');
  port.on('message', async ({ method, url, headers, body }) => {
    const startedAt = performance.now();
    const answer = await fetch(url, { method, headers, body, signal: AbortSignal.timeout(10_000) }).then(
      async (response) => ({ status: response.status, body: await response.text() }),
      () => ({ status: 0, body: '' }),
    );
    port.postMessage({ ...answer, timings: { duration: performance.now() - startedAt } });
    Atomics.store(gate, 0, 1);
    Atomics.notify(gate, 0);
  });
`;
const gate = new Int32Array(new SharedArrayBuffer(4));
const { port1: near, port2: far } = new MessageChannel();
const fetcher = new Worker(FETCHER, { eval: true, workerData: { port: far, gate }, transferList: [far] });
fetcher.unref();

function send(method: string, url: string, sent: Sent & { readonly body?: string }): Answer {
  Atomics.store(gate, 0, 0);
  near.postMessage({ method, url, headers: sent.headers, body: sent.body });
  Atomics.wait(gate, 0, 0);
  const received = receiveMessageOnPort(near);
  if (received === undefined) throw new Error('The fetcher said nothing');
  return received.message as Answer;
}

const MODULES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  k6: {
    sleep: (seconds: number) => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * SECOND_MS);
    },
  },
  'k6/crypto': {
    hmac: (...[algorithm, secret, input, encoding]: [string, string, string, 'hex']) =>
      createHmac(algorithm, secret).update(input).digest(encoding),
  },
  'k6/execution': { default: execution },
  'k6/http': {
    default: {
      get: (url: string, sent: Sent = {}) => send('GET', url, sent),
      post: (url: string, body: string, sent: Sent = {}) => send('POST', url, { ...sent, body }),
    },
  },
  'k6/metrics': { Counter: Metric, Rate: Metric, Trend: Metric },
};

Object.assign(globalThis, { __ENV: process.env, k6Modules: MODULES });
registerHooks({
  resolve: (specifier, context, next) =>
    specifier in MODULES ? { url: `k6-module:${specifier}`, shortCircuit: true } : next(specifier, context),
  load: (url, context, next) => {
    if (!url.startsWith('k6-module:')) return next(url, context);
    const specifier = url.slice('k6-module:'.length);
    const from = `globalThis.k6Modules[${JSON.stringify(specifier)}]`;
    const lines = Object.keys(MODULES[specifier] ?? {}).map((name) =>
      name === 'default' ? `export default ${from}.default;` : `export const ${name} = ${from}.${name};`,
    );
    return { format: 'module', source: lines.join('\n'), shortCircuit: true };
  },
});
