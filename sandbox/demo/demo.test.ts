import { describe, expect, it } from '@jest/globals';
import { DEMO_ARTICLES } from './articles.ts';
import { DEMO_CUSTOMERS } from './customers.ts';

describe('the knowledge of the demo bakery', () => {
  it('is thirty articles, each with a title of its own', () => {
    const titles = DEMO_ARTICLES.map((article) => article.title);

    expect(titles).toHaveLength(30);
    expect(new Set(titles).size).toBe(30);
  });

  it.each(DEMO_ARTICLES)('"$title" is short enough to read and long enough to answer', ({ text }) => {
    const words = text.split(/\s+/).length;

    expect(words).toBeGreaterThanOrEqual(80);
    expect(words).toBeLessThanOrEqual(250);
  });

  it('names no phone, mailbox or site that could belong to somebody', () => {
    const everything = DEMO_ARTICLES.map((article) => article.text).join('\n');
    const phones = everything.match(/\(\d\d\) ?\d{4,5}-\d{4}/g) ?? [];
    const domains = [...everything.matchAll(/(?:@|https?:\/\/)([\w.-]+\w)/g)].map((match) => match[1]);

    expect(phones.filter((phone) => !phone.startsWith('(11) 4000-00'))).toEqual([]);
    expect(domains.filter((domain) => domain !== 'paodavila.example')).toEqual([]);
  });
});

describe('the customers of the demo', () => {
  it('are five people with numbers of their own', () => {
    expect(new Set(DEMO_CUSTOMERS.map((customer) => customer.id)).size).toBe(5);
    expect(new Set(DEMO_CUSTOMERS.map((customer) => customer.phone)).size).toBe(5);
    for (const { phone } of DEMO_CUSTOMERS) expect(phone).toMatch(/^551199999000\d$/);
  });

  it('have avatars on which white letters can be read', () => {
    for (const { colour } of DEMO_CUSTOMERS) expect(contrastWithWhite(colour)).toBeGreaterThanOrEqual(4.5);
  });
});

/** Source: WCAG 2.2, "contrast ratio" and "relative luminance". */
function contrastWithWhite(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5]
    .map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05);
}
