// Pictures drawn ahead of their turn, while the page rests, so that showing one is no more than a copy.

const REST = 150; // ms without a change: who zooms or sets the window makes every print old with each step
const MOST = 128 * 2 ** 20; // bytes on screen; a longer stack's last pictures are drawn when their turn comes
const whenIdle = (act) => (window.requestIdleCallback ?? setTimeout)(act);

export class Prints {
  #make;
  #pictures = [];
  #prints = new Map();
  #timer = 0;
  #round = 0;

  /** @param {(picture) => ImageBitmap|null} make draws one at the screen's size; null while there is nowhere to show it */
  constructor(make) {
    this.#make = make;
  }

  /** Have these at hand. */
  want(pictures) {
    this.#pictures = pictures;
    this.forget();
  }

  /** The picture's print, if there is one by now. */
  get(picture) {
    return this.#prints.get(picture);
  }

  /** All are old: what they look like, or how large, has changed. */
  forget() {
    for (const print of this.#prints.values()) print.close();
    this.#prints.clear();
    this.#round += 1;
    clearTimeout(this.#timer);
    if (this.#pictures.length) this.#timer = setTimeout(() => this.#goOn(this.#round), REST);
  }

  /** One at a time, for whatever the reader does meanwhile comes first. */
  #goOn(round) {
    whenIdle(() => {
      const next = this.#pictures[this.#prints.size];
      if (round !== this.#round || !next) return;
      const print = this.#make(next);
      if (!print) return;
      this.#prints.set(next, print);
      if (4 * print.width * print.height * (this.#prints.size + 1) <= MOST) this.#goOn(round);
    });
  }
}
