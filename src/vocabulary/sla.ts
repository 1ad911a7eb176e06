import { z } from 'zod';

/** What a customer who was given to people waits for. A closed set: it is also a metric label. */
export const SLA_KINDS = ['first-response', 'next-response', 'resolution'] as const;
export type SlaKind = (typeof SLA_KINDS)[number];

/**
 * How a clock stands. `running` and `paused` may still be met; `breached` runs on beyond its time. The others have ended: in
 * time, too late, or without the answer that was waited for, because the handoff ended first.
 */
export const SLA_STATES = ['running', 'paused', 'breached', 'met', 'missed', 'ended'] as const;
export type SlaState = (typeof SLA_STATES)[number];

/** 90 working days of eight hours. */
const MINUTES_MAX = 43_200;
const STEPS_MAX = 10;
const TARGETS_PER_STEP_MAX = 10;

const minutes = z.int().min(0).max(MINUTES_MAX).default(0);

const Promised = z
  .strictObject({ firstResponse: minutes, nextResponse: minutes, resolution: minutes })
  .prefault({})
  .describe('Minutes of business time; 0: no clock.');

/** What a tenant promises its customers once people are to answer. Changes hold for handoffs that begin afterwards. */
export const SlaSetting = z.strictObject({
  enabled: z.boolean().default(false),
  priorities: z.strictObject({ low: Promised, normal: Promised, high: Promised, urgent: Promised }).prefault({}),
  warnBefore: z
    .union([
      z.strictObject({ minutes: z.int().min(1).max(MINUTES_MAX) }),
      z.strictObject({ fraction: z.number().gt(0).lt(1) }),
    ])
    .nullable()
    .default({ fraction: 0.25 })
    .describe(
      'How long before the time is up, in minutes of business time or as a part of all of it; null: no warning.',
    ),
  escalations: z
    .array(
      z.strictObject({
        afterMinutes: z.int().min(1).max(MINUTES_MAX).describe('Minutes of business time after the breach.'),
        targets: z
          .array(z.uuid())
          .min(1)
          .max(TARGETS_PER_STEP_MAX)
          .optional()
          .describe('The notification targets that are told. Absent: all that want breaches.'),
      }),
    )
    .max(STEPS_MAX)
    .refine(
      (steps) => steps.every((step, index) => step.afterMinutes > (steps[index - 1]?.afterMinutes ?? 0)),
      'each step must come later than the one before',
    )
    .default([]),
  pauseWhileCustomerOwes: z
    .boolean()
    .default(false)
    .describe('Whether the resolution clock stands still from a person’s answer to the next question of the customer.'),
});
export type SlaSetting = z.output<typeof SlaSetting>;
