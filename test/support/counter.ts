import { registry } from '../../src/platform/metrics.ts';

/** What a counter of this process has counted since `forget`, by the values of one of its labels. */
export class CounterOf {
  readonly #name: string;
  readonly #label: string;

  constructor(name: string, label: string) {
    this.#name = name;
    this.#label = label;
  }

  forget(): void {
    registry.getSingleMetric(this.#name)?.reset();
  }

  async counts(): Promise<Readonly<Record<string, number>>> {
    const values = (await registry.getSingleMetric(this.#name)?.get())?.values ?? [];
    return Object.fromEntries(
      values.flatMap(({ labels, value }) => (value === 0 ? [] : [[String(labels[this.#label] ?? ''), value]])),
    );
  }
}
