import { z } from 'zod';

/** When a contact is taken for a machine, and what a contact may cost. */
export const LoopSettings = {
  /** Replies of a contact that nearly repeat others, or that only a machine words so; short ones weigh less. */
  loopRepeats: z.int().min(0).max(100).default(3),
  /** Replies of a contact in a row that come faster than anybody types, or as evenly as a clock. */
  loopCadence: z.int().min(0).max(100).default(4),
  /** Replies of a contact in our own words: an echo, or another bot like this one. */
  loopOwnWords: z.int().min(0).max(100).default(4),
  /** What models may cost for one contact in a day, in millionths of a US dollar; after that a person is called. */
  contactMoneyPerDay: z.int().min(0).max(1_000_000_000).default(1_000_000),
};
