import { LRUCache } from 'lru-cache';
import type { CheckState } from '../platform/deep-check.ts';
import { deadlineSignal } from '../platform/time.ts';
import type { Channel } from '../tenants/tenants.ts';
import { Failure } from '../vocabulary/failures.ts';
import type { GatewayStates } from '../vocabulary/gateway.ts';
import type { ChannelId } from '../vocabulary/ids.ts';

export interface ChannelHealth {
  readonly state: CheckState;
  readonly detail: string;
}

/** A gateway is asked no more often than this for one channel, however often people look. */
const BELIEVED_MS = 30_000;
const CHANNELS_REMEMBERED = 2_000;
const ASK_TIMEOUT_MS = 5_000;

/** Whether the connections of channels stand, as their gateways say. */
export class GatewayWatch {
  readonly #gateways: GatewayStates;
  readonly #known = new LRUCache<ChannelId, Promise<ChannelHealth>>({ max: CHANNELS_REMEMBERED, ttl: BELIEVED_MS });

  constructor(gateways: GatewayStates) {
    this.#gateways = gateways;
  }

  /** Never rejects. */
  async healthOf(channel: Channel): Promise<ChannelHealth> {
    const known = this.#known.get(channel.id);
    if (known !== undefined) return await known;
    const asked = this.#ask(channel);
    this.#known.set(channel.id, asked);
    return await asked;
  }

  async #ask({ gateway }: Channel): Promise<ChannelHealth> {
    try {
      const state = await this.#gateways.connectionState(gateway, deadlineSignal(ASK_TIMEOUT_MS));
      if (state === undefined) return { state: 'skipped', detail: 'the gateway does not let us ask without a user' };
      return { state: state.isConnected ? 'ok' : 'warning', detail: `the gateway says ${state.said}` };
    } catch (error) {
      return { state: 'warning', detail: error instanceof Failure ? error.code : 'the gateway could not be asked' };
    }
  }
}
