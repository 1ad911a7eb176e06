/** One thing said earlier or now, as the model gets to see it. */
export interface ModelMessage {
  readonly role: 'customer' | 'assistant';
  readonly text: string;
}

export interface ComposeRequest {
  /** Our instructions and the passages. Nothing a customer wrote. */
  readonly system: string;
  /** Oldest first; the last one is the customer's. Customer text arrives already fenced as data. */
  readonly messages: readonly ModelMessage[];
}

/** What the model proposed. It is a proposal: nothing of it reaches a customer unguarded. */
export interface Draft {
  readonly reply: string;
  /** 0 to 1, by the model's own account. */
  readonly confidence: number;
  /** The model thinks the customer asks for a person. */
  readonly wantsHuman: boolean;
  readonly usage: ModelUsage;
}

/** Tokens as the provider counted them; zero where it did not say. */
export interface ModelUsage {
  readonly model: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedTokens: number;
  readonly thoughtTokens: number;
  /** What that costs by the public price, in US dollars; absent where none is known. */
  readonly costUsd?: number;
}

/**
 * A model that composes replies.
 *
 * `compose` makes one attempt and throws a `Failure` with a `MODEL_…` code; who retries is the turn. The signal bounds the
 * call from outside, the model's own timeout from inside.
 */
export interface Model {
  readonly name: string;
  compose(request: ComposeRequest, signal: AbortSignal): Promise<Draft>;
}
