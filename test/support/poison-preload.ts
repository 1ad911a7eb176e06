/*
 * Loaded before a worker by tests, into the processes that it starts as well: a process that is about to ask a model with
 * this word in the prompt dies on the spot, as one does whose memory is used up or whose native code is wrong. Each death
 * is a line in a file. Not a part of the product.
 */
import fs from 'node:fs';
import path from 'node:path';

/** What the poisonous message says. */
export const POISON = 'estricnina';

const { POISON_DEATHS: deaths } = process.env;
const ask = globalThis.fetch;

if (deaths !== undefined) {
  globalThis.fetch = async (input, init) => {
    if (typeof init?.body === 'string' && init.body.includes(POISON)) {
      fs.appendFileSync(deaths, `${path.basename(process.argv[1] ?? '')}\n`);
      process.kill(process.pid, 'SIGKILL');
    }
    return await ask(input, init);
  };
}
