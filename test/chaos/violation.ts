/** The ways in which the promise can be broken. */
export const VIOLATION_KINDS = [
  'lost',
  'forgotten',
  'doubled',
  'decided-twice',
  'out-of-order',
  'mixed',
  'said-after-takeover',
  'without-cause',
] as const;
export type ViolationKind = (typeof VIOLATION_KINDS)[number];

export interface Violation {
  readonly kind: ViolationKind;
  /** With the ids that one needs to look further. */
  readonly detail: string;
}
