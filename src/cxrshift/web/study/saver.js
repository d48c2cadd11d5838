// Sends what a reader answers as soon as it is answered, one call at a time, the newest answer only.

import { call } from "./calls.js";

const AGAIN_MILLISECONDS = 2000;

/** Says "saved", "waiting" (the server does not answer) and "over" (detail: the CallError that ends this case). */
export class Saver extends EventTarget {
  #draft = null;
  #busy = false;
  #work = Promise.resolve();
  #case = 0;

  /** Forget the case so far: what comes now is of another. */
  reset() {
    this.#case += 1;
    this.#draft = null;
  }

  /** Save `draft` now, or after the call that is under way; what was to be saved before it is overtaken. */
  save(draft) {
    this.#draft = draft;
    if (!this.#busy) this.#work = this.#send();
  }

  /** Save on the way out: the browser sends it though the page is gone. */
  saveLast(draft) {
    call("PUT", "/api/case/draft", draft, { keepalive: true }).catch(() => {});
  }

  /** Resolves when no call is under way: an answer must not be overtaken by a draft of itself. */
  settled() {
    return this.#work;
  }

  async #send() {
    this.#busy = true;
    while (this.#draft) {
      const [draft, of] = [this.#draft, this.#case];
      this.#draft = null;
      try {
        await call("PUT", "/api/case/draft", draft);
        if (of === this.#case) this.dispatchEvent(new Event("saved"));
      } catch (error) {
        if (of !== this.#case) continue;
        if (error.status && error.status !== 503) {
          this.dispatchEvent(new CustomEvent("over", { detail: error }));
          continue;
        }
        this.dispatchEvent(new Event("waiting"));
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MILLISECONDS));
        if (of === this.#case) this.#draft ??= draft;
      }
    }
    this.#busy = false;
  }
}
