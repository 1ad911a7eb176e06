import { describe, expect, it } from '@jest/globals';
import { isRedisUrl, parseRedisUrl } from './redis-url.ts';

const NOBODY = { username: undefined, password: undefined, sentinelPassword: undefined, masterName: undefined };

describe('the address of a Redis', () => {
  it.each([
    [
      'redis://localhost',
      { kind: 'single', hosts: [{ host: 'localhost', port: 6379 }], ...NOBODY, db: 0, tls: undefined },
    ],
    [
      'rediss://ana:se%40nha@cache.example:6380/3?servername=cache.internal',
      {
        ...NOBODY,
        kind: 'single',
        hosts: [{ host: 'cache.example', port: 6380 }],
        db: 3,
        username: 'ana',
        password: 'se@nha',
        tls: { servername: 'cache.internal' },
      },
    ],
    [
      'redis+sentinel://:senha@s1,s2:26380,[::1]/plantao/2?sentinelPassword=outra',
      {
        ...NOBODY,
        kind: 'sentinel',
        hosts: [
          { host: 's1', port: 26_379 },
          { host: 's2', port: 26_380 },
          { host: '::1', port: 26_379 },
        ],
        masterName: 'plantao',
        db: 2,
        password: 'senha',
        sentinelPassword: 'outra',
        tls: undefined,
      },
    ],
    [
      'rediss+cluster://n1:7001,n2:7002',
      {
        ...NOBODY,
        kind: 'cluster',
        hosts: [
          { host: 'n1', port: 7001 },
          { host: 'n2', port: 7002 },
        ],
        db: 0,
        tls: {},
      },
    ],
  ])('%s is read as what it means', (url, address) => {
    expect(parseRedisUrl(url)).toEqual(address);
  });

  it.each([
    'localhost:6379',
    'http://localhost',
    'redis://',
    'redis://a,b',
    'redis://localhost/nome',
    'redis+sentinel://s1,s2',
    'redis+cluster://n1/3',
    'redis+other://n1',
    'rediss://localhost?cafile=/no/such/file',
  ])('is not %s', (url) => {
    expect(isRedisUrl(url)).toBe(false);
  });
});
