import { describe, expect, it } from '@jest/globals';
import { planLoad } from './load.ts';
import type { LoadOptions } from './load.ts';

const options: LoadOptions = { seed: 7, messages: 2_000, perSecond: 25, channels: ['um', 'dois', 'três', 'quatro'] };
const load = planLoad(options);

describe('the load', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(planLoad(options)).toEqual(load);
    expect(planLoad({ ...options, seed: 8 })).not.toEqual(load);
  });

  it('has as many messages as were asked for, each of them posted, a tenth of them twice', () => {
    const again = load.posts.filter((post) => post.isRedelivery);

    expect(load.questions).toHaveLength(2_000);
    expect(new Set(load.posts.map((post) => post.questionId)).size).toBe(2_000);
    expect(again.length).toBeGreaterThan(150);
    expect(again.length).toBeLessThan(250);
    expect(again.filter((post) => isConcurrent(post.questionId)).length).toBeGreaterThan(50);
  });

  it('comes at the rate that was asked for', () => {
    expect(load.lastsMs / 1_000).toBeGreaterThan(60);
    expect(load.lastsMs / 1_000).toBeLessThan(100);
  });

  it('lets the same numbers write to every channel', () => {
    const channels = Map.groupBy(load.questions, (question) => question.phone);
    const everywhere = [...channels.values()].filter((of) => new Set(of.map((it) => it.channel)).size === 4);

    expect(everywhere.length).toBeGreaterThan(channels.size / 2);
  });

  it('gives each message of a conversation a second of its own, in the order of their numbers', () => {
    for (const own of Map.groupBy(load.questions, ({ channel, phone }) => `${channel} ${phone}`).values()) {
      const gaps = own.slice(1).map((question, index) => question.saidAtMs - (own[index]?.saidAtMs ?? 0));

      expect(Math.min(1_000, ...gaps)).toBeGreaterThanOrEqual(1_000);
    }
  });

  it('posts some bursts out of order', () => {
    const firsts = load.posts.filter((post) => !post.isRedelivery);
    const backwards = firsts.filter((post, index) => post.questionId < (firsts[index - 1]?.questionId ?? ''));

    expect(backwards.length).toBeGreaterThan(100);
  });

  it('has customers who want a person, and people who take over', () => {
    const wishes = load.questions.filter((question) => question.text.includes('atendente'));

    expect(wishes.length).toBeGreaterThan(20);
    expect(load.takeovers.length).toBeGreaterThan(3);
  });
});

function isConcurrent(questionId: string): boolean {
  const [first, second] = load.posts.filter((post) => post.questionId === questionId);
  return first !== undefined && second !== undefined && second.atMs - first.atMs < 1;
}
