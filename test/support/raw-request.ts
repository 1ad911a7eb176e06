import { once } from 'node:events';
import net from 'node:net';

/** Bytes on a socket, for what no well-behaved client would send. Resolves with everything that came back. */
export async function sendRaw(url: string, bytes: readonly (string | Buffer)[]): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = net.connect(Number(port), hostname);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'connect');
  const closed = once(socket, 'close');
  for (const part of bytes) socket.write(part);
  await closed;
  return Buffer.concat(chunks).toString();
}
