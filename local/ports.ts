import { once } from 'node:events';
import net from 'node:net';

/** A port of this machine that nobody listens on right now. */
export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('The system gave no port');
  return address.port;
}

/** Whether somebody listens on this port already. */
export async function isTaken(port: number, host: string): Promise<boolean> {
  const server = net.createServer();
  return await new Promise((resolve) => {
    server.once('error', () => {
      resolve(true);
    });
    server.listen(port, host, () => {
      server.close(() => {
        resolve(false);
      });
    });
  });
}
