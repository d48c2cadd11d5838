// How long a case stood visibly on the screen.

export class Clock {
  #seconds = 0;
  #since = null;
  #wanted = false;

  constructor() {
    document.addEventListener("visibilitychange", () => this.#settle());
  }

  /** Go on from `seconds`. */
  start(seconds) {
    this.#since = null;
    this.#seconds = seconds;
    this.#wanted = true;
    this.#settle();
  }

  /** Stand still until `resume` or `start`. */
  pause() {
    this.#wanted = false;
    this.#settle();
  }

  resume() {
    this.#wanted = true;
    this.#settle();
  }

  /** Seconds so far, to a tenth. */
  get seconds() {
    const running = this.#since === null ? 0 : (performance.now() - this.#since) / 1000;
    return Math.round(10 * (this.#seconds + running)) / 10;
  }

  #settle() {
    const runs = this.#wanted && document.visibilityState === "visible";
    if (runs && this.#since === null) this.#since = performance.now();
    if (!runs && this.#since !== null) {
      this.#seconds += (performance.now() - this.#since) / 1000;
      this.#since = null;
    }
  }
}
