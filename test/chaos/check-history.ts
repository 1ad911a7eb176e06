import type { HandedToPerson, History, Question, StoredBubble, StoredMessage, Takeover } from './history.ts';
import { decidedTwice } from './check-decisions.ts';
import { forgotten } from './check-forgotten.ts';
import { copiesAllowed, countSettlers, countUnsettled, unknownWithoutReason } from './check-sends.ts';
import type { Settler, Unsettled } from './check-sends.ts';
import { questionIdsIn } from './load.ts';
import { GIVEN_UP_STATES, nameOf, nameOfBubble, SENT_STATES, Story } from './story.ts';
import type { Told } from './story.ts';
import type { Violation } from './violation.ts';

export interface Verdict {
  readonly violations: readonly Violation[];
  readonly unsettled: Unsettled;
  readonly settledBy: Readonly<Record<Settler, number>>;
  /** What each accepted message ended in. */
  readonly ends: Readonly<Record<'reply' | 'human' | 'recorded', number>>;
}

/** Holds what was promised against a history. Pure. */
export function checkHistory(history: History): Verdict {
  const story = new Story(history);
  return {
    violations: [
      ...lost(story),
      ...doubled(story),
      ...outOfOrder(story),
      ...mixedOrWithoutCause(story),
      ...saidAfterTakeover(story),
      ...decidedTwice(history),
      ...forgotten(history),
      ...unknownWithoutReason(story),
    ],
    unsettled: countUnsettled(story),
    settledBy: countSettlers(story),
    ends: countEnds(story),
  };
}

/** When the first word of each turn reached its customer. */
export function heardAt(history: History): ReadonlyMap<string, number> {
  const heard = new Map<string, number>();
  for (const [turnId, told] of new Story(history).toldOfTurn) {
    const first = Math.min(...told.flatMap(({ copies }) => copies));
    const at = history.received[first]?.at;
    if (at !== undefined) heard.set(turnId, at);
  }
  return heard;
}

function* lost(story: Story): Generator<Violation> {
  const handoffs = new Set(story.history.conversations.filter((it) => it.handoffs.length > 0).map((it) => it.id));
  for (const question of story.history.questions) {
    if (question.acceptedAt === undefined) continue;
    const [message] = story.messages.get(question.id) ?? [];
    const why = message === undefined ? 'is not stored' : whyLost(story, { message, handoffs });
    if (why !== undefined) yield { kind: 'lost', detail: `${nameOf(question, message)} was accepted and ${why}` };
  }
  for (const { bubble, copies } of story.told) {
    if (SENT_STATES.includes(bubble.state) && copies.length === 0) {
      yield { kind: 'lost', detail: `${nameOfBubble(bubble)} is recorded as ${bubble.state} and never arrived` };
    }
  }
}

function whyLost(
  story: Story,
  { message, handoffs }: { message: StoredMessage; handoffs: ReadonlySet<string> },
): string | undefined {
  const { settled, conversationId } = message;
  if (settled === undefined) return 'has no end';
  switch (settled.kind) {
    case 'reply': {
      const told = story.toldOfTurn.get(settled.turnId ?? '') ?? [];
      if (told.length === 0) return `is settled by the turn ${settled.turnId ?? 'none'}, which says nothing`;
      const isTold = told.some(({ copies }) => copies.length > 0);
      const isGivenUp = told.some(({ bubble }) => GIVEN_UP_STATES.includes(bubble.state) && bubble.wasUnknown);
      return isTold || isGivenUp ? undefined : 'nothing of its reply arrived, nor is that recorded';
    }
    case 'human':
      return handoffs.has(conversationId) ? undefined : 'is settled as a person’s, and no person was called';
    case 'recorded':
      return settled.reason === undefined ? 'is recorded without a reason' : undefined;
    default:
      return `ended in ${settled.kind}`;
  }
}

function* doubled(story: Story): Generator<Violation> {
  for (const question of story.history.questions) {
    const messages = story.messages.get(question.id) ?? [];
    if (messages.length > 1) {
      yield { kind: 'doubled', detail: `${nameOf(question, messages[0])} is stored ${messages.length} times` };
    }
  }
  for (const { bubble, copies } of story.told) {
    const extra = copies.length - 1;
    if (extra > 0 && extra > copiesAllowed(story, bubble)) {
      yield { kind: 'doubled', detail: `${nameOfBubble(bubble)} arrived ${copies.length} times` };
    }
  }
  for (const [questionId, turns] of turnsThatAnswered(story)) {
    if (turns.size > 1) {
      yield { kind: 'doubled', detail: `${questionId} was answered by the turns ${[...turns].join(' and ')}` };
    }
  }
}

function turnsThatAnswered(story: Story): ReadonlyMap<string, ReadonlySet<string>> {
  const turns = new Map<string, Set<string>>();
  for (const { bubble, copies } of story.told) {
    if (copies.length === 0) continue;
    for (const id of questionIdsIn(bubble.text)) turns.set(id, (turns.get(id) ?? new Set()).add(bubble.turnId));
  }
  return turns;
}

function* outOfOrder(story: Story): Generator<Violation> {
  for (const told of Map.groupBy(story.told, ({ bubble }) => bubble.conversationId).values()) {
    yield* bubblesOutOfOrder(told);
  }
  for (const messages of Map.groupBy(story.history.messages, (message) => message.conversationId).values()) {
    yield* repliesOutOfOrder(story, messages);
  }
  for (const { bubble } of story.told) {
    const asked = questionIdsIn(bubble.text).flatMap((id) => story.questions.get(id) ?? []);
    const isWrong = asked.some((question, index) => question.saidAt < (asked[index - 1]?.saidAt ?? -Infinity));
    if (isWrong) yield { kind: 'out-of-order', detail: `${nameOfBubble(bubble)} answers in another order than asked` };
  }
}

function* bubblesOutOfOrder(told: readonly Told[]): Generator<Violation> {
  let latest: { readonly bubble: StoredBubble; readonly at: number } | undefined;
  for (const { bubble, copies } of told) {
    const [at] = copies;
    if (at === undefined) continue;
    if (latest !== undefined && at < latest.at) {
      const detail = `${nameOfBubble(bubble)} arrived before ${nameOfBubble(latest.bubble)}, which was decided earlier`;
      yield { kind: 'out-of-order', detail };
    } else latest = { bubble, at };
  }
}

interface Answered {
  readonly question: Question;
  readonly acceptedAt: number;
  readonly turnId: string;
  readonly turnStartedAt: number;
  /** Place of the first bubble of its reply among everything received. */
  readonly repliedAt: number;
}

/**
 * Of two questions the one that was said first is answered first, unless it had not been accepted yet when the turn of the
 * other one began: nobody can answer what has not arrived.
 */
function* repliesOutOfOrder(story: Story, messages: readonly StoredMessage[]): Generator<Violation> {
  const answered = messages
    .flatMap((message) => answeredFrom(story, message) ?? [])
    .toSorted((left, right) => left.question.saidAt - right.question.saidAt);
  for (const [index, earlier] of answered.entries()) {
    const overtaking = answered
      .slice(index + 1)
      .find((later) => later.turnId !== earlier.turnId && isOvertaking(earlier, later));
    if (overtaking === undefined) continue;
    const detail = `${earlier.question.id} (turn ${earlier.turnId}) was answered after ${overtaking.question.id} (turn ${overtaking.turnId}), which was said later`;
    yield { kind: 'out-of-order', detail };
  }
}

function isOvertaking(earlier: Answered, later: Answered): boolean {
  const wasKnown = earlier.acceptedAt < later.turnStartedAt;
  return wasKnown && earlier.repliedAt > later.repliedAt;
}

function answeredFrom(story: Story, message: StoredMessage): Answered | undefined {
  const question = story.questions.get(message.questionId);
  const { turnId } = message.settled ?? {};
  if (question?.acceptedAt === undefined || turnId === undefined || message.settled?.kind !== 'reply') return undefined;
  const repliedAt = Math.min(...(story.toldOfTurn.get(turnId) ?? []).flatMap(({ copies }) => copies));
  const turnStartedAt = story.history.turns.find((turn) => turn.id === turnId)?.startedAt;
  if (repliedAt === Infinity || turnStartedAt === undefined) return undefined;
  return { question, acceptedAt: question.acceptedAt, turnId, turnStartedAt, repliedAt };
}

function* mixedOrWithoutCause(story: Story): Generator<Violation> {
  for (const { channel, phone, text } of story.history.received) {
    for (const id of questionIdsIn(text)) {
      const question = story.questions.get(id);
      if (question === undefined) {
        yield { kind: 'without-cause', detail: `${channel} ${phone} got an answer to ${id}, which nobody asked` };
      } else if (question.channel !== channel || question.phone !== phone) {
        const detail = `${channel} ${phone} got an answer to ${id} of ${question.channel} ${question.phone}`;
        yield { kind: 'mixed', detail };
      }
    }
  }
  for (const { channel, phone, text } of story.strange) {
    // An answer to somebody else is named above.
    if (questionIdsIn(text).some((id) => isAnothers(story.questions.get(id), { channel, phone }))) continue;
    yield { kind: 'without-cause', detail: `${channel} ${phone} got what nobody decided to say: ${text.slice(0, 60)}` };
  }
  for (const [conversationId, messages] of Map.groupBy(story.history.messages, (it) => it.conversationId)) {
    const asked = messages.flatMap(({ questionId }) => story.questions.get(questionId) ?? []);
    const people = new Set(asked.map(({ channel, phone }) => `${channel} ${phone}`));
    if (people.size > 1) {
      yield { kind: 'mixed', detail: `conversation ${conversationId} is that of ${[...people].join(' and ')}` };
    }
  }
  for (const { id, handoffs } of story.history.conversations) {
    if (!handoffs.includes(ELSEWHERE)) continue;
    yield {
      kind: 'without-cause',
      detail: `conversation ${id} was left to somebody who had answered it, and nobody had`,
    };
  }
}

/** What only somebody with the company's phone can have caused, whom no run has. */
const ELSEWHERE = 'answered-elsewhere';

function isAnothers(question: Question | undefined, who: { channel: string; phone: string }): boolean {
  return question !== undefined && (question.channel !== who.channel || question.phone !== who.phone);
}

/** What was on its way when the owner changed cannot be called back; nothing may set out afterwards. */
function* saidAfterTakeover(story: Story): Generator<Violation> {
  const changes = Map.groupBy(story.history.handedToPerson, (change) => change.conversationId);
  const takeovers = Map.groupBy(story.history.takeovers, (takeover) => takeover.conversationId);
  for (const told of story.told) {
    const { conversationId } = told.bubble;
    const why =
      decidedBefore(story, told, changes.get(conversationId) ?? []) ??
      setOutAfterwards(told, changes.get(conversationId) ?? []) ??
      arrivedAfterwards(story, told, takeovers.get(conversationId) ?? []);
    if (why !== undefined) yield { kind: 'said-after-takeover', detail: `${nameOfBubble(told.bubble)} ${why}` };
  }
}

/** What it was decided in is the epoch of its turn, whatever the bubble itself says. */
function decidedBefore(story: Story, { bubble, copies }: Told, changes: readonly HandedToPerson[]): string | undefined {
  const turn = story.history.turns.find(({ id }) => id === bubble.turnId);
  const broken = changes.find(({ epoch, at }) => turn !== undefined && turn.epoch < epoch && bubble.createdAt > at);
  if (broken === undefined || copies.length === 0) return undefined;
  return `was decided before a person owned it, and committed ${(bubble.createdAt - broken.at).toFixed(1)} ms after`;
}

function setOutAfterwards({ bubble, copies }: Told, changes: readonly HandedToPerson[]): string | undefined {
  const setOutAt = bubble.sendingSince ?? -Infinity;
  const broken = changes.find(({ epoch, at }) => bubble.epoch < epoch && setOutAt > at);
  if (broken === undefined || copies.length === 0) return undefined;
  return `set out ${(setOutAt - broken.at).toFixed(1)} ms after a person owned it`;
}

function arrivedAfterwards(story: Story, { bubble, copies }: Told, takeovers: readonly Takeover[]): string | undefined {
  const at = story.history.received[copies.at(-1) ?? -1]?.at ?? -Infinity;
  const broken = takeovers.find(
    ({ epoch, confirmedAt, stillSending }) =>
      bubble.epoch < epoch && at > confirmedAt && bubble.messageId !== stillSending,
  );
  if (broken === undefined) return undefined;
  return `arrived ${Math.round(at - broken.confirmedAt)} ms after its takeover was confirmed`;
}

function countEnds(story: Story): Verdict['ends'] {
  const ends = { reply: 0, human: 0, recorded: 0 };
  for (const { settled } of story.history.messages) {
    if (settled?.kind === 'reply' || settled?.kind === 'human' || settled?.kind === 'recorded') ends[settled.kind] += 1;
  }
  return ends;
}
