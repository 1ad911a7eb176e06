import { describe, expect, it } from '@jest/globals';
import { createSecretKey, randomBytes } from 'node:crypto';
import { blindIndex, derivedUuid, seal, sealingKey, unseal } from './crypto.ts';

const key = sealingKey(randomBytes(32));
const place = { tenantId: 'bakery', table: 'channel', column: 'sealed_credentials', rowId: '1' };

describe('a sealed value', () => {
  it('opens in its own place', () => {
    expect(unseal([key], seal(key, 'segredo', place), place).toString()).toBe('segredo');
  });

  it.each([
    ['another tenant', { ...place, tenantId: 'clinic' }],
    ['another table', { ...place, table: 'contact' }],
    ['another column', { ...place, column: 'sealed_webhook_secrets' }],
    ['another row', { ...place, rowId: '2' }],
  ])('does not open when copied to %s', (_where, elsewhere) => {
    expect(() => unseal([key], seal(key, 'segredo', place), elsewhere)).toThrow();
  });

  it('does not open when any byte was changed', () => {
    const sealed = seal(key, 'segredo', place);

    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(() => unseal([key], changed, place)).toThrow();
    }
  });

  it('opens with the previous key while the keys are being rotated', () => {
    const next = sealingKey(randomBytes(32));

    expect(unseal([next, key], seal(key, 'segredo', place), place).toString()).toBe('segredo');
    expect(() => unseal([next], seal(key, 'segredo', place), place)).toThrow('not known');
  });

  it('never looks the same twice', () => {
    expect(seal(key, 'segredo', place).equals(seal(key, 'segredo', place))).toBe(false);
  });
});

const hmacKey = createSecretKey(randomBytes(32));

describe('a derived id', () => {
  it('is a UUID, the same for the same key and value and for nothing else', () => {
    const id = derivedUuid(hmacKey, '5511988887777');

    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(derivedUuid(hmacKey, '5511988887777')).toBe(id);
    expect(derivedUuid(hmacKey, '5511988887778')).not.toBe(id);
    expect(derivedUuid(createSecretKey(randomBytes(32)), '5511988887777')).not.toBe(id);
  });

  it('shares nothing readable with the value it came from', () => {
    expect(blindIndex(hmacKey, '5511988887777').toString('latin1')).not.toContain('5511');
  });
});
