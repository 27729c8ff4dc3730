// How fast, and how long still: from bytes seen lately. Pure: times are arguments, in milliseconds.

const WINDOW_MS = 5_000;

/** Rate over the last seconds. */
export class Rate {
  #samples = [];
  #total = 0;

  /** So many bytes have come. */
  add(bytes, now) {
    this.#total += bytes;
    this.#samples.push({ at: now, total: this.#total });
    this.#trim(now);
  }

  /** Bytes per second; 0 when nothing came lately. */
  perSecond(now) {
    this.#trim(now);
    const first = this.#samples[0];
    if (!first || now - first.at < 250) return 0;
    return ((this.#total - first.total) * 1000) / (now - first.at);
  }

  #trim(now) {
    while (this.#samples.length > 1 && now - this.#samples[0].at > WINDOW_MS) this.#samples.shift();
    // One sample for the time before the next: a list of every chunk would be long and show no
    // more.
    if (this.#samples.length > 200) this.#samples = this.#samples.filter((_, at) => at % 2 === 0);
    if (this.#samples.length === 1 && now - this.#samples[0].at > WINDOW_MS) this.#samples = [];
  }
}

/** Seconds that the rest will take; undefined while unknown. */
export const secondsLeft = (bytes, perSecond) =>
  perSecond > 0 ? Math.ceil(bytes / perSecond) : undefined;
