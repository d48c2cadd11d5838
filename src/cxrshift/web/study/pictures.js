// The pictures of one case: the radiograph always in the same place and size, beside it what the arm shows.

import { decodeArray } from "/web/common/arrays.js";
import { Stage } from "/web/common/stage.js";
import { Sweep } from "/web/common/sweep.js";

const NAMES = {
  heatmap: "What changes",
  "input-gradient": "Input gradient",
  "integrated-gradients": "Integrated gradients",
  "guided-backpropagation": "Guided backpropagation",
};

/** Fills `root`; `sweep` is there where the arm has frames, else null. */
export class Pictures {
  sweep = null;
  #root;
  #view;
  #stages = [];

  constructor(root, view) {
    this.#root = root;
    this.#view = view;
  }

  /** Take the pictures of the case before away. */
  clear() {
    this.sweep?.pause();
    this.sweep = null;
    for (const stage of this.#stages.splice(0)) stage.close();
    this.#root.replaceChildren();
  }

  /** Show the server's answer. */
  show(told) {
    this.clear();
    this.#view.resetZoom();
    this.#view.resetWindow();
    const radiograph = decodeArray(told.radiograph);
    this.#addTile("Radiograph").show(radiograph.values, ...radiograph.shape);
    if (told.frames) this.#addFrames(told);
    for (const map of told.maps ?? [told.heatmap]) this.#addMap(map, radiograph);
    if (told.frames) this.#root.append(this.#controls);
  }

  #addFrames(told) {
    const frames = decodeArray(told.frames);
    const stage = this.#addTile("The finding, taken away and added");
    stage.load(frames);
    const controls = document.createElement("div");
    controls.className = "panel controls";
    const words = document.createElement("p");
    words.textContent =
      "To the left the finding is taken away, to the right it is added. In the middle is the radiograph as the model rebuilds it.";
    const row = document.createElement("div");
    row.className = "player";
    const play = document.createElement("button");
    play.type = "button";
    const where = document.createElement("p");
    where.className = "muted number";
    row.append(play, where);
    const slider = document.createElement("div");
    controls.append(slider, row, words);
    this.#controls = controls;

    const last = frames.shape[0];
    const sweep = new Sweep(slider, { label: "Frame, from taken away to added" });
    sweep.addEventListener("frame", () => {
      stage.turn(sweep.index);
      where.textContent = `Frame ${sweep.index + 1} of ${last}`;
    });
    const label = () => {
      play.textContent = sweep.isPlaying ? "❚❚ Pause" : "▶ Play";
    };
    sweep.addEventListener("play", label);
    play.addEventListener("click", () => (sweep.isPlaying ? sweep.pause() : sweep.play()));
    stage.addEventListener("step", (event) => sweep.step(event.detail));
    label();
    // The curve of scores is hidden: it is no part of what this arm shows.
    sweep.load(new Array(last).fill(0), 0, { at: told.zero_frame, describe: (i) => `frame ${i + 1} of ${last}` });
    this.sweep = sweep;
  }

  #controls = null;

  #addMap({ kind, values, top }, radiograph) {
    const stage = this.#addTile(NAMES[kind] ?? kind);
    stage.show(radiograph.values, ...radiograph.shape);
    stage.lay(decodeArray(values).values, top);
  }

  #addTile(name) {
    const tile = document.createElement("figure");
    tile.className = "tile";
    const frame = tile.appendChild(document.createElement("div"));
    frame.className = "stage";
    const canvas = frame.appendChild(document.createElement("canvas"));
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", name);
    tile.appendChild(document.createElement("figcaption")).textContent = name;
    this.#root.append(tile);
    const stage = new Stage(canvas, this.#view);
    this.#stages.push(stage);
    return stage;
  }
}
