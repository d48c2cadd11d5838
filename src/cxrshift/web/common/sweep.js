// The slider through a stack of frames, under the curve of the finding's score, and its play as a sweep.

const SVG = "http://www.w3.org/2000/svg";
const INSET = 10; // px: half the slider's thumb and a little, so that the curve's points lie over its stops
const HEIGHT = 96;
const TOP = 8;
const BOTTOM = 80;
const MILLISECONDS = 100; // a frame, as in the service's GIF

/**
 * Fills `root` with curve, slider and ends. Says "frame" whenever `index` changed, "play" when playing began or ended.
 */
export class Sweep extends EventTarget {
  index = 0;
  #root;
  #slider;
  #svg;
  #marks = {};
  #width = 0;
  #points = [];
  #frames = 0;
  #describe = () => "";
  #timer = 0;
  #direction = 1;

  constructor(root, { label = "Frame" } = {}) {
    super();
    this.#root = root;
    root.classList.add("sweep");
    this.#svg = root.appendChild(document.createElementNS(SVG, "svg"));
    this.#svg.setAttribute("aria-hidden", "true");
    this.#slider = root.appendChild(document.createElement("input"));
    Object.assign(this.#slider, { type: "range", min: 0, max: 0, step: 1, value: 0 });
    this.#slider.setAttribute("aria-label", label);
    const ends = root.appendChild(document.createElement("div"));
    ends.className = "sweep-ends";
    ends.setAttribute("aria-hidden", "true");
    for (const words of ["◀ curtailed", "reconstruction", "exaggerated ▶"]) {
      ends.appendChild(document.createElement("span")).textContent = words;
    }
    this.#slider.addEventListener("input", () => {
      this.pause();
      this.go(Number(this.#slider.value));
    });
    this.#svg.addEventListener("pointerdown", (event) => {
      this.#svg.setPointerCapture(event.pointerId);
      this.#follow(event);
    });
    this.#svg.addEventListener("pointermove", (event) => event.buttons & 1 && this.#follow(event));
    root.addEventListener("wheel", (event) => this.#turn(event), { passive: false });
    new ResizeObserver(() => {
      this.#width = this.#svg.clientWidth; // kept: asked in a move, it would have the page laid out once more
      this.#drawCurve();
    }).observe(this.#svg);
  }

  /**
   * Load a stack.
   * @param {number[]} scores the finding's score on each frame, in [0, 1]
   * @param {number} operatingPoint drawn as a dashed line
   * @param {(index: number) => string} describe what a frame is, for those who hear the slider
   */
  load(scores, operatingPoint, { at = 0, describe = () => "" } = {}) {
    this.#points = scores;
    this.#frames = scores.length;
    this.#describe = describe;
    this.operatingPoint = operatingPoint;
    this.#slider.max = Math.max(0, this.#frames - 1);
    this.index = -1;
    this.#drawCurve();
    this.go(at);
  }

  get isPlaying() {
    return this.#timer !== 0;
  }

  /** Show frame `index`, or the nearest that there is. */
  go(index) {
    const next = Math.min(Math.max(Math.round(index), 0), Math.max(0, this.#frames - 1));
    if (next === this.index) return;
    this.index = next;
    this.#slider.value = next;
    this.#slider.setAttribute("aria-valuetext", this.#describe(next));
    this.#placeMarks();
    this.dispatchEvent(new Event("frame"));
  }

  focus() {
    this.#slider.focus({ preventScroll: true });
  }

  step(by) {
    this.pause();
    this.go(this.index + by);
  }

  play() {
    if (this.isPlaying || this.#frames < 2) return;
    this.#timer = setInterval(() => {
      if (this.index + this.#direction < 0 || this.index + this.#direction >= this.#frames) this.#direction *= -1;
      this.go(this.index + this.#direction);
    }, MILLISECONDS);
    this.dispatchEvent(new Event("play"));
  }

  pause() {
    if (!this.isPlaying) return;
    clearInterval(this.#timer);
    this.#timer = 0;
    this.dispatchEvent(new Event("play"));
  }

  #follow(event) {
    const box = this.#svg.getBoundingClientRect();
    this.pause();
    this.go(((event.clientX - box.left - INSET) / (box.width - 2 * INSET)) * (this.#frames - 1));
  }

  #turn(event) {
    if (!event.deltaY || event.ctrlKey) return;
    event.preventDefault();
    this.step(event.deltaY < 0 ? 1 : -1);
  }

  #at(index) {
    return INSET + (this.#frames > 1 ? index / (this.#frames - 1) : 0.5) * (this.#width - 2 * INSET);
  }

  #drawCurve() {
    const width = this.#width;
    this.#svg.replaceChildren();
    this.#marks = {};
    if (!this.#frames || !width) return;
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const down = (score) => BOTTOM - score * (BOTTOM - TOP);
    for (const score of [0, 0.5, 1]) {
      add(this.#svg, "line", { class: "grid", x1: INSET, x2: width - INSET, y1: down(score), y2: down(score) });
    }
    const level = down(this.operatingPoint);
    add(this.#svg, "line", { class: "point", x1: INSET, x2: width - INSET, y1: level, y2: level });
    const words = add(this.#svg, "text", { x: INSET + 2, y: level - 4 });
    words.textContent = `operating point ${this.operatingPoint.toFixed(2)}`;
    const path = this.#points.map((score, i) => `${this.#at(i)},${down(score)}`).join(" L");
    add(this.#svg, "path", { class: "score-area", d: `M${this.#at(0)},${BOTTOM} L${path} L${this.#at(this.#frames - 1)},${BOTTOM} Z` });
    add(this.#svg, "path", { class: "score-line", d: `M${path}` });
    this.#marks = {
      line: add(this.#svg, "line", { class: "here", y1: TOP - 6, y2: HEIGHT }),
      dot: add(this.#svg, "circle", { r: 6 }),
      down,
    };
    this.#placeMarks();
  }

  #placeMarks() {
    if (!this.#marks.dot || this.index < 0) return;
    const x = this.#at(this.index);
    this.#marks.line.setAttribute("x1", x);
    this.#marks.line.setAttribute("x2", x);
    this.#marks.dot.setAttribute("cx", x);
    this.#marks.dot.setAttribute("cy", this.#marks.down(this.#points[this.index]));
  }
}

function add(parent, name, attributes) {
  const element = parent.appendChild(document.createElementNS(SVG, name));
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
