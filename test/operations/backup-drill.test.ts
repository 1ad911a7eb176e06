import { describe, expect, jest } from '@jest/globals';
import { whyNoDrill } from '../../backup/drill/drill-cluster.ts';
import { runDrill } from '../../backup/drill/drill.ts';
import { itWhere } from '../support/it-where.ts';

const RPO_MS_MAX = 60_000;

// Seventeen seconds by itself: two servers are made, destroyed and restored.
jest.setTimeout(120_000);

describe('a database whose messages were dropped, on a machine that was lost', () => {
  itWhere(
    whyNoDrill(),
    'is there again as it was a second before, and its customers are answered, each once',
    async () => {
      const said: string[] = [];

      const result = await runDrill({ messages: 2_000, say: (line) => said.push(line) });

      expect(result.markers.restored).toBe(result.markers.expected);
      expect(result.markers.expected).toBeGreaterThan(0);
      expect(result.lostMs).toBeLessThan(RPO_MS_MAX);
      expect(said).toContain('It was verified');
      expect(said).toContain('Every table and index is sound (pg_amcheck)');
    },
  );
});
