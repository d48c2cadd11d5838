// The radiograph beside a frame of the stack: slider, play, blink, heatmap, zoom and window.

import { Stage } from "../common/stage.js";
import { Sweep } from "../common/sweep.js";
import { MAP_PLACES } from "./settings.js";
import { byId, sayLambda, two } from "./words.js";

const BLINK_MILLISECONDS = 700; // fewer than three flashes a second (WCAG 2.3.1)
const PAN = 0.1; // share of the stage that an arrow key moves

export class Film {
  #session;
  #view;
  #radiograph;
  #frame;
  #explanation = null;
  #hasFrames = false;
  #blinking = 0;
  #isOnReconstruction = false;
  /** Where the heatmap lies: one of MAP_PLACES. */
  over = "radiograph";

  constructor(session, view) {
    this.#session = session;
    this.#view = view;
    this.sweep = new Sweep(byId("sweep"), { label: "Frame, from curtailed to exaggerated" });
    this.#radiograph = this.#makeStage("radiograph");
    this.#frame = this.#makeStage("frame");
    this.sweep.addEventListener("frame", () => this.#showFrame());
    this.sweep.addEventListener("play", () => {
      byId("play").textContent = this.sweep.isPlaying ? "Pause" : "Play";
    });
    session.addEventListener("opened", () => this.#clear());
    session.addEventListener("shown", () => this.#show(session.shown));
    const doing = {
      play: () => this.togglePlay(),
      back: () => this.sweep.step(-1),
      forth: () => this.sweep.step(1),
      home: () => this.goHome(),
      blink: () => this.toggleBlink(),
    };
    for (const [id, act] of Object.entries(doing)) byId(id).addEventListener("click", act);
  }

  togglePlay() {
    this.#stopBlinking();
    if (this.sweep.isPlaying) this.sweep.pause();
    else this.sweep.play();
  }

  goHome() {
    this.sweep.pause();
    if (this.#explanation) this.sweep.go(this.#explanation.zero_frame);
  }

  toggleBlink() {
    if (this.#blinking) {
      this.#stopBlinking();
      return;
    }
    this.sweep.pause();
    this.#blinking = setInterval(() => {
      this.#isOnReconstruction = !this.#isOnReconstruction;
      this.#showFrame();
    }, BLINK_MILLISECONDS);
    byId("blink").setAttribute("aria-pressed", "true");
  }

  layOver(place) {
    this.over = MAP_PLACES.includes(place) ? place : "none";
    this.#layMaps();
  }

  #makeStage(id) {
    const canvas = byId(id);
    const stage = new Stage(canvas, this.#view);
    stage.addEventListener("step", ({ detail }) => this.sweep.step(detail));
    canvas.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [PAN, 0], ArrowRight: [-PAN, 0], ArrowUp: [0, PAN], ArrowDown: [0, -PAN] };
      if (!event.shiftKey || !moves[event.key]) return;
      event.preventDefault();
      event.stopPropagation();
      this.#view.pan(...moves[event.key]);
    });
    return stage;
  }

  #clear() {
    this.#stopBlinking();
    this.sweep.pause();
    this.#explanation = null;
    this.#show(null);
  }

  #show(explanation) {
    const before = this.#explanation;
    this.#explanation = explanation;
    this.#hasFrames = Boolean(explanation?.frames.shape[0]);
    byId("radiograph").parentElement.classList.toggle("waiting", !explanation);
    byId("frame").parentElement.classList.toggle("waiting", !this.#hasFrames);
    byId("frame-words").textContent = byId("radiograph-words").textContent = byId("readout").textContent = "";
    for (const id of ["play", "back", "forth", "home", "blink"]) byId(id).disabled = !this.#hasFrames;
    if (!explanation) {
      this.#frame.clear();
      if (!this.#session.scores.length) this.#radiograph.clear();
      this.#layMaps();
      this.sweep.load([], 0.5);
      return;
    }
    const [height, width] = explanation.radiograph.shape;
    this.#radiograph.show(explanation.radiograph.values, height, width);
    const own = explanation.findings.indexOf(explanation.finding);
    byId("radiograph-words").textContent = `score ${two(explanation.radiograph_scores[own])}`;
    this.#layMaps();
    this.#radiograph.draw();
    performance.mark("heatmap");
    if (!this.#hasFrames) return;
    this.#frame.load(explanation.frames);
    const isNew = before?.finding !== explanation.finding || !before;
    if (isNew) this.#stopBlinking();
    this.sweep.load(explanation.score_curve, explanation.operating_point, {
      at: explanation.zero_frame,
      describe: (index) => this.#describe(index),
    });
    // Who has just opened a file by a key goes on at the slider, without a way past everything between.
    if (document.activeElement.closest(".intake")) this.sweep.focus();
  }

  #describe(index) {
    const { lambdas, score_curve: scores, zero_frame: zero } = this.#explanation;
    const name = index === zero ? "reconstruction" : index < zero ? "curtailed" : "exaggerated";
    return `frame ${index + 1} of ${lambdas.length}, ${name}, λ ${sayLambda(lambdas[index])}, score ${two(scores[index])}`;
  }

  #showFrame() {
    if (!this.#hasFrames) return;
    const { lambdas, score_curve: scores, zero_frame: zero } = this.#explanation;
    const index = this.#blinking && this.#isOnReconstruction ? zero : this.sweep.index;
    this.#frame.turn(index);
    byId("frame-name").textContent = index === zero ? "Reconstruction" : index < zero ? "Curtailed" : "Exaggerated";
    byId("frame-words").textContent = `score ${two(scores[index])}`;
    byId("readout").textContent = `frame ${index + 1} of ${lambdas.length}   λ ${sayLambda(lambdas[index])}   score ${two(scores[index])}`;
  }

  #layMaps() {
    const heat = this.#explanation?.heatmap.values ?? null;
    const top = this.#explanation?.heatmapTop;
    const isOn = (place) => this.over === place || this.over === "both";
    this.#radiograph.lay(isOn("radiograph") ? heat : null, top);
    this.#frame.lay(isOn("frame") && this.#hasFrames ? heat : null, top);
  }

  #stopBlinking() {
    clearInterval(this.#blinking);
    this.#blinking = 0;
    this.#isOnReconstruction = false;
    byId("blink").setAttribute("aria-pressed", "false");
    this.#showFrame();
  }
}
