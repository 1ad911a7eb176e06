import { describe, expect, it } from '@jest/globals';
import { renderMustache } from './mustache.ts';

describe('the template engine of the forks', () => {
  const view = { name: "D'Ávila", empty: '' };

  it.each([
    ['Olá', 'Olá'],
    ['a < b & c', 'a < b & c'],
    ['{{name}}', 'D&#39;Ávila'],
    ['{{ name }}', 'D&#39;Ávila'],
    ['{{{name}}} {{&name}}', "D'Ávila D'Ávila"],
    ['[{{unknown}}]', '[]'],
    ['{{! nota }}a', 'a'],
    ['{{#name}}sim{{/name}}{{^name}}não{{/name}}', 'sim'],
    ['{{#empty}}sim {{name}}{{/empty}}{{^empty}}não{{/empty}}', 'não'],
    ['} }} { {', '} }} { {'],
  ])('renders %j as %j', (template, text) => {
    expect(renderMustache(template, view)).toBe(text);
  });

  it.each(['{{', 'a {{name', '{{#if x}}', '{{/x}}', '{{#a}}{{/b}}', '{{{name}}'])('refuses %j', (template) => {
    expect(() => renderMustache(template, view)).toThrow();
  });
});
