import { once } from 'node:events';
import { z } from 'zod';
import type { Ground } from '../bench/ground.ts';
import { Street } from '../bench/street.ts';

/** Starts the product between stand-ins, tells how k6 reaches it, and waits for Ctrl-C. */
export async function holdStage(ground: Ground, workers: number): Promise<void> {
  const street = await Street.open(ground, 'load_stage', 'load/sink.ts');
  try {
    for (let index = 1; index <= workers; index += 1) await street.startWorker(`worker-${index}`);
    const tenantId = await street.tenant();
    const { url, secret } = await street.channel(tenantId, 'load');
    await street.learnArticles(tenantId);
    const { sink } = await street.standIns.ask('addresses', {}, z.object({ sink: z.url() }));
    const { origin, pathname } = new URL(url);
    const environment = {
      BASE_URL: origin,
      CHANNEL_ID: pathname.split('/').at(-1) ?? '',
      SECRET: secret,
      SINK_URL: sink,
    };
    const flags = Object.entries(environment).map(([name, value]) => `-e ${name}=${value}`);
    console.log(`\nk6 run ${flags.join(' ')} k6/webhook-burst.ts\n\nCtrl-C ends everything.`);
    await once(process, 'SIGTERM');
  } finally {
    await street.close();
  }
}
