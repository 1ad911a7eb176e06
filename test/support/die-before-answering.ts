/*
 * Loaded before the service by tests: the process dies between the commit of the first webhook and its answer, as a
 * machine does that loses its power in that moment. Not a part of the product.
 */
import { ServerResponse } from 'node:http';

// eslint-disable-next-line @typescript-eslint/unbound-method -- it is given its own `this` back below
const writeHead = ServerResponse.prototype.writeHead;

ServerResponse.prototype.writeHead = function (this: ServerResponse, ...given: unknown[]): ServerResponse {
  const isWebhook = this.req.url?.startsWith('/webhooks/') ?? false;
  if (isWebhook && this.statusCode === 200) process.kill(process.pid, 'SIGKILL');
  return Reflect.apply(writeHead, this, given) as ServerResponse;
};
