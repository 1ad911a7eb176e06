import { describe, expect, it } from '@jest/globals';
import { turnOver, unanswered } from '../../test/support/turns.ts';
import type { FoundPassage } from '../knowledge/knowledge.ts';
import { createLogger } from '../platform/logger.ts';
import { monotonicMs } from '../platform/time.ts';
import { TenantSettings } from '../tenants/tenants.ts';
import type { Tenant } from '../tenants/tenants.ts';
import { DocumentId, newId, TenantId } from '../vocabulary/ids.ts';
import type { Draft, Model } from '../vocabulary/model.ts';
import { emptyContext } from './conversation-context.ts';
import type { Turn } from './conversation.ts';
import { decideTurn } from './decide-turn.ts';

const log = createLogger({ level: 'silent', process: 'test' });
const DELIVERY: FoundPassage = {
  documentId: newId(DocumentId),
  title: 'Entrega',
  text: 'A taxa de entrega é de R$ 8,00.',
  score: 0.6,
};
const CHANCE: FoundPassage = { ...DELIVERY, title: 'Horário', score: 0.1 };

function tenant(settings: object = {}): Tenant {
  return {
    id: newId(TenantId),
    slug: 'padaria',
    name: 'Padaria',
    plan: undefined,
    locale: 'pt-BR',
    timeZone: 'America/Sao_Paulo',
    settings: TenantSettings.parse(settings),
    createdAt: new Date('2026-01-01T00:00:00Z'),
  };
}

/** A model that says this, and counts how often it was asked. */
class ScriptedModel implements Model {
  readonly name = 'scripted';
  readonly #draft: Omit<Draft, 'usage'>;
  asked = 0;

  constructor(draft: Partial<Draft>) {
    this.#draft = { reply: 'Sim.', confidence: 0.9, wantsHuman: false, ...draft };
  }

  compose(): Promise<Draft> {
    this.asked += 1;
    const usage = { model: this.name, inputTokens: 1, outputTokens: 1, cachedTokens: 0, thoughtTokens: 0 };
    return Promise.resolve({ ...this.#draft, usage });
  }
}

interface Deciding {
  readonly turn?: Turn;
  readonly settings?: object;
  readonly found?: readonly FoundPassage[];
  readonly model?: Model;
}

async function decided({ turn = turnOver([unanswered('E agora?')]), settings, found = [], model }: Deciding) {
  const needs = {
    knowledge: { find: () => Promise.resolve(found) },
    contextOf: () => Promise.resolve(emptyContext()),
    models: model === undefined ? [] : [model],
    log,
  };
  const time = { deadline: monotonicMs() + 10_000, signal: new AbortController().signal };
  const it = await decideTurn(needs, { turn, tenant: tenant(settings) }, time);
  if ('instead' in it) throw new Error('The turn was put off');
  return it;
}

const UNSURE_ONCE = turnOver([unanswered('E agora?')], { unsureInARow: 1 });

describe('a turn in which nobody is sure', () => {
  const unsure = () => new ScriptedModel({ confidence: 0.2 });

  it.each<[string, Deciding, string, readonly string[]]>([
    ['asks back the first time', { found: [DELIVERY], model: unsure() }, 'reply', ['unsure']],
    ['calls the second time', { turn: UNSURE_ONCE, found: [DELIVERY], model: unsure() }, 'hand-over', ['unsure-twice']],
    ['says when nothing was found', { found: [CHANCE], model: unsure() }, 'reply', ['nothing-found']],
    ['calls for that, too', { turn: UNSURE_ONCE, found: [], model: unsure() }, 'hand-over', ['nothing-found']],
    [
      'calls for that at once where the tenant wants it',
      { settings: { nothingFound: 'hand-over' }, model: unsure() },
      'hand-over',
      ['nothing-found'],
    ],
    [
      'does not where something was found',
      { settings: { nothingFound: 'hand-over' }, found: [DELIVERY], model: unsure() },
      'reply',
      ['unsure'],
    ],
    [
      'asks back when there is no model either',
      { turn: turnOver([unanswered('xyz')]) },
      'reply',
      ['model-unavailable', 'nothing-found'],
    ],
    ['calls the second time for want of a model', { turn: UNSURE_ONCE }, 'hand-over', ['model-unavailable']],
  ])('%s', async (...[, deciding, kind, reasons]) => {
    const it = await decided(deciding);

    expect([it.decision.kind, it.reasons]).toEqual([kind, reasons]);
    expect(it.trace).toMatchObject({ reasons });
  });
});

describe('a turn in which something calls a person', () => {
  it('asks no model for a threat or a topic of the tenant, and names every reason', async () => {
    const model = new ScriptedModel({});
    const topic = { handoffRules: [{ name: 'entregas', topics: ['entrega'], destination: 'logistica' }] };

    const threat = await decided({ turn: turnOver([unanswered('vou no procon, me passa o gerente')]), model });
    const about = await decided({ settings: topic, found: [DELIVERY], model });

    expect(threat.reasons).toEqual(['threat', 'customer-asked']);
    expect(threat.decision).toMatchObject({ kind: 'hand-over', reason: 'threat', routing: { priority: 'high' } });
    expect(about.reasons).toEqual(['tenant-rule']);
    expect(about.decision).toMatchObject({ routing: { rule: 'entregas', destination: 'logistica' } });
    expect(about.trace).toMatchObject({ found: [{ title: 'Entrega' }] });
    expect(model.asked).toBe(0);
  });

  it('is understood by the model where the rules do not', async () => {
    const it = await decided({ found: [DELIVERY], model: new ScriptedModel({ wantsHuman: true }) });

    expect(it.decision).toMatchObject({ kind: 'hand-over', reason: 'customer-asked', routing: { priority: 'normal' } });
  });

  it('is the second thing in a row that nobody here can read', async () => {
    const note = unanswered(undefined, { kind: 'audio' });

    expect((await decided({ turn: turnOver([note]) })).decision).toMatchObject({ kind: 'reply', isUnsure: true });
    const second = await decided({ turn: turnOver([note], { unsureInARow: 1 }) });
    expect(second.decision).toMatchObject({ kind: 'hand-over', reason: 'unreadable-twice' });
  });
});

describe('an ordinary turn', () => {
  it('has no reasons, and keeps none in its trace', async () => {
    const it = await decided({ found: [DELIVERY], model: new ScriptedModel({}) });

    expect(it.decision).toMatchObject({ kind: 'reply', isUnsure: false });
    expect(it.reasons).toEqual([]);
    expect(it.trace).not.toHaveProperty('reasons');
  });
});
