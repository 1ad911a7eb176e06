/**
 * How a stand-in behaves. `throttled` asks for seven seconds where the wire has a way to ask, `refused` says no for good,
 * `gone` is what a server says whose receiver was taken away, `silent` reads everything and never answers.
 */
export type Mode = 'none' | 'throttled' | 'refused' | 'gone' | 'server-error' | 'silent';

/** What a throttled stand-in asks for. */
export const THROTTLED_SECONDS = 7;
