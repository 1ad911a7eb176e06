import http from 'node:http';
import https from 'node:https';
import axios from 'axios';
import type { AxiosInstance } from 'axios';
import { RequestFilteringHttpAgent, RequestFilteringHttpsAgent } from 'request-filtering-agent';

export interface HttpClientOptions {
  /** Hosts that may be called although they are private or loopback, as `host` or `host:port`. */
  readonly privateHosts: readonly string[];
  readonly timeoutMs: number;
  readonly responseBytesMax: number;
  readonly connectionsMax: number;
}

/**
 * An HTTP client for addresses that people typed in.
 *
 * Private, loopback and link-local addresses are refused where the name is resolved, so that a name that changes its
 * answer does not get through; redirects are not followed; every answer has a time and a size limit. It throws only
 * when there was no answer: a status, however bad, is an answer.
 */
export function createHttpClient(options: HttpClientOptions): AxiosInstance {
  const agentOptions = { keepAlive: true, maxSockets: options.connectionsMax };
  const allowed = new Set(options.privateHosts.map((host) => host.toLowerCase()));
  const open = { http: new http.Agent(agentOptions), https: new https.Agent(agentOptions) };
  const filtering = {
    http: new RequestFilteringHttpAgent(agentOptions),
    https: new RequestFilteringHttpsAgent(agentOptions),
  };
  const client = axios.create({
    timeout: options.timeoutMs,
    maxContentLength: options.responseBytesMax,
    maxBodyLength: options.responseBytesMax,
    maxRedirects: 0,
    proxy: false,
    validateStatus: () => true,
  });
  client.interceptors.request.use((request) => {
    const url = new URL(request.url ?? '', request.baseURL);
    const agents = allowed.has(url.host.toLowerCase()) || allowed.has(url.hostname.toLowerCase()) ? open : filtering;
    request.httpAgent = agents.http;
    request.httpsAgent = agents.https;
    return request;
  });
  return client;
}
