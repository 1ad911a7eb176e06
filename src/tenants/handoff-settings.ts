import { z } from 'zod';
import { HANDOFF_PRIORITIES } from '../vocabulary/events.ts';

/** Words that somebody typed into a setting. */
const typed = (charactersMax: number) => z.string().trim().min(2).max(charactersMax);

/** A name of the tenant's own for a place where people answer; each channel says which queue or user that is. */
const DestinationName = z
  .string()
  .regex(/^[a-z0-9](-?[a-z0-9])*$/, 'must be lower-case words with hyphens')
  .max(40);

/**
 * A rule of a tenant that calls a person. Everything that it names must hold; of a list one entry is enough. Words count
 * whole, without accents, in capitals or not. There are no patterns: what people type into a form must not be able to
 * stop everybody else.
 */
const HandoffRule = z
  .strictObject({
    name: typed(60),
    /** Words or phrases of the customer. */
    keywords: z.array(typed(60)).min(1).max(50).optional(),
    /** Words in the title of the document that fits the question best. */
    topics: z.array(typed(100)).min(1).max(20).optional(),
    sentiment: z.literal('angry').optional(),
    destination: DestinationName.optional(),
    priority: z.enum(HANDOFF_PRIORITIES).optional(),
  })
  .refine(
    ({ keywords, topics, sentiment }) => [keywords, topics, sentiment].some((it) => it !== undefined),
    'must name keywords, topics or a sentiment',
  );
export type HandoffRule = z.infer<typeof HandoffRule>;

/** When a person is called beside the ordinary reasons, and what that person is told. */
export const HandoffSettings = {
  /** When a person is called beside the ordinary reasons. The first rule that fits also says where the handoff goes. */
  handoffRules: z.array(HandoffRule).max(20).default([]),
  /** Contacts with one of these tags are VIPs. */
  vipTags: z.array(typed(40)).max(20).default([]),
  /** Whether a VIP's handoff only hurries, or a VIP gets a person at once. */
  vipHandoff: z.enum(['hurry', 'at-once']).default('hurry'),
  /** When nothing was found for a question: ask back once as usual, or call a person at once. */
  nothingFound: z.enum(['ask-back', 'hand-over']).default('ask-back'),
  /** Who writes what a person who is called is told: a model when one is up, else and in any case first a rule. */
  packetWriter: z.enum(['model', 'rule']).default('model'),
};
