// A radiograph on screen, with a map over it: grey window, zoom and pan come from a View that several stages share.

import { slicesOf } from "./arrays.js";
import { coloursOf } from "./colours.js";
import { Prints } from "./prints.js";
import { clamp } from "./view.js";

const RISE = 0.72; // of a map's scale, from nothing to full opacity, as in the pictures that the service renders

/**
 * Draws at most once a screen frame, however often it is told to. Events: "step" (detail: +1 or -1) when the wheel
 * turns, and whatever the shared View says.
 */
export class Stage extends EventTarget {
  #canvas;
  #view;
  #film = new OffscreenCanvas(1, 1);
  #ink = this.#film.getContext("2d");
  #grey = null;
  #side = [0, 0];
  #stack = [];
  #prints = new Prints((picture) => this.#print(picture));
  #heat = null;
  #top = 1;
  #extent = [0, 0];
  #due = 0;
  #closing = new AbortController();

  /** @param {HTMLCanvasElement} canvas, whose parent's size it takes */
  constructor(canvas, view) {
    super();
    this.#canvas = canvas;
    this.#view = view;
    view.addEventListener("change", () => this.redraw(), { signal: this.#closing.signal });
    const sizes = new ResizeObserver(() => this.#measure());
    sizes.observe(canvas);
    this.#closing.signal.addEventListener("abort", () => sizes.disconnect());
    this.#listen();
  }

  /** Show a picture: (H, W) stored values. */
  show(grey, height, width) {
    this.#grey = grey;
    this.#side = [height, width];
    this.#ask();
  }

  /** Show nothing, and have nothing at hand. */
  clear() {
    this.#grey = null;
    this.#stack = [];
    this.#prints.want([]);
    this.#ask();
  }

  /** Have a stack (R, H, W) at hand, of which `turn` shows a picture. */
  load(stack) {
    this.#stack = slicesOf(stack);
    this.#side = stack.shape.slice(1);
    this.#prints.want(this.#stack);
  }

  /** Show picture `index` of the stack. */
  turn(index) {
    this.show(this.#stack[index], ...this.#side);
  }

  /** Lay a map (H, W) over it, whose scale ends at `top`; null takes it away. */
  lay(heat, top = 1) {
    this.#heat = heat;
    this.#top = top;
    this.redraw();
  }

  /** All of it looks different now. */
  redraw() {
    this.#prints.forget();
    this.#ask();
  }

  /** Take no more part: its canvas leaves the page, the View stays. */
  close() {
    this.#closing.abort();
    cancelAnimationFrame(this.#due);
    this.#prints.want([]);
  }

  /** Draw now. */
  draw() {
    cancelAnimationFrame(this.#due);
    this.#due = 0;
    const [right, down] = this.#pixels;
    if (this.#canvas.width !== right || this.#canvas.height !== down) {
      this.#canvas.width = right;
      this.#canvas.height = down;
    }
    const ink = this.#canvas.getContext("2d", { alpha: false });
    const print = this.#prints.get(this.#grey);
    if (print?.width === right && print.height === down) ink.drawImage(print, 0, 0);
    else this.#paint(ink, this.#grey, right, down);
  }

  #ask() {
    this.#due ||= requestAnimationFrame(() => this.draw());
  }

  // Asked of the observer alone: in the middle of a move the question would have the page laid out once more.
  #measure() {
    this.#extent = [this.#canvas.clientWidth, this.#canvas.clientHeight];
    this.redraw();
  }

  get #pixels() {
    return this.#extent.map((px) => Math.round(px * devicePixelRatio));
  }

  #print(picture) {
    const [right, down] = this.#pixels;
    if (!right || !down) return null;
    const paper = new OffscreenCanvas(right, down);
    this.#paint(paper.getContext("2d", { alpha: false }), picture, right, down);
    return paper.transferToImageBitmap();
  }

  #paint(ink, picture, right, down) {
    ink.fillStyle = "#000";
    ink.fillRect(0, 0, right, down);
    if (!picture || !right || !down) return;
    this.#expose(picture);
    const [height, width] = this.#side;
    const { zoom, x, y } = this.#view;
    const scale = zoom * Math.min(right / width, down / height);
    ink.imageSmoothingQuality = "high";
    const [left, top] = [right / 2 - x * width * scale, down / 2 - y * height * scale];
    ink.drawImage(this.#film, left, top, width * scale, height * scale);
  }

  #expose(picture) {
    const [height, width] = this.#side;
    if (this.#film.width !== width || this.#film.height !== height) {
      this.#film.width = width;
      this.#film.height = height;
    }
    const exposure = this.#ink.createImageData(width, height);
    const pixels = new Uint32Array(exposure.data.buffer);
    const tones = tonesOf(this.#view);
    for (let i = 0; i < pixels.length; i++) pixels[i] = tones[picture[i]];
    if (this.#heat) this.#colour(exposure.data);
    this.#ink.putImageData(exposure, 0, 0);
  }

  #colour(bytes) {
    const { opacity, threshold, colours } = this.#view;
    const table = coloursOf(colours);
    const rise = Math.min(RISE, 1 - threshold) || 1e-6;
    for (let i = 0; i < this.#heat.length; i++) {
      const share = Math.min(this.#heat[i] / this.#top, 1);
      const step = clamp((share - threshold) / rise, 0, 1);
      if (step === 0) continue;
      const alpha = opacity * step * step * (3 - 2 * step);
      const colour = 3 * Math.round(255 * (0.2 + 0.75 * share)); // the darkest fifth would darken the radiograph
      for (let c = 0; c < 3; c++) {
        bytes[4 * i + c] = bytes[4 * i + c] * (1 - alpha) + table[colour + c] * alpha;
      }
    }
  }

  #listen() {
    const canvas = this.#canvas;
    const view = this.#view;
    let last = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      last = [event.clientX, event.clientY];
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!last) return;
      const side = Math.min(canvas.clientWidth, canvas.clientHeight);
      const [right, down] = [(event.clientX - last[0]) / side, (event.clientY - last[1]) / side];
      last = [event.clientX, event.clientY];
      if (event.shiftKey) view.set({ width: view.width + 255 * right, level: view.level - 255 * down });
      else view.pan(right, down);
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (last = null));
    canvas.addEventListener("dblclick", () => view.resetZoom());
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const box = canvas.getBoundingClientRect();
        if (event.ctrlKey || event.metaKey) {
          const side = Math.min(box.width, box.height);
          const x = 0.5 + (event.clientX - box.left - box.width / 2) / side;
          const y = 0.5 + (event.clientY - box.top - box.height / 2) / side;
          view.zoomAt(event.deltaY < 0 ? 1.25 : 0.8, x, y);
        } else if (event.deltaY) {
          this.dispatchEvent(new CustomEvent("step", { detail: event.deltaY < 0 ? 1 : -1 }));
        }
      },
      { passive: false },
    );
  }
}

/** What each stored value looks like through the window, as opaque little-endian RGBA. */
function tonesOf({ level, width }) {
  const tones = new Uint32Array(256);
  for (let value = 0; value < 256; value++) {
    const grey = Math.round(clamp(((value - level) / width + 0.5) * 255, 0, 255));
    tones[value] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
  return tones;
}
