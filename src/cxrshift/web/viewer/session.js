// One radiograph and what was asked about it: scores, and for each finding its explanation as far as it has come.

import { decodeArray, quantile } from "../common/arrays.js";

const TRADITIONAL = ["input-gradient", "integrated-gradients", "guided-backpropagation"];
const AT_ONCE = 2; // explanations that one reader asks for at the same time
const SALIENCY_TOP = 0.995; // share of a traditional map's values at which its scale ends: single pixels go far above
const SMALLEST_TOP = 0.05; // the heatmap's scale ends at this share of the grey range at least

/**
 * Events: "opened", "scores", "results" (any finding's state changed), "shown" (another explanation is to be seen),
 * "problem".
 */
export class Session extends EventTarget {
  image = null;
  sample = "";
  models = [];
  model = null;
  /** How to explain: profile, frames, heatmap, maps (traditional ones too). */
  options = { profile: "two-sided", frames: "", heatmap: "max", maps: false };
  scores = [];
  /** Finding -> {state: "waiting" | "heatmap" | "done" | "failed", since, explanation?, problem?} */
  results = new Map();
  finding = "";
  problem = null;
  #service;
  #aborts = new AbortController();
  #queue = [];
  #running = 0;

  constructor(service) {
    super();
    this.#service = service;
  }

  get shown() {
    return this.results.get(this.finding)?.explanation ?? null;
  }

  get isBusy() {
    return [...this.results.values()].some(({ state }) => state === "waiting" || state === "heatmap");
  }

  get isDicom() {
    return this.image?.isDicom ?? false;
  }

  /** Open a file. `finding` is explained first where the model knows it, else the one furthest past its operating point. */
  async open(blob, { sample = "", finding = "" } = {}) {
    const mark = await blob.slice(128, 132).text();
    this.image = { blob, isDicom: mark === "DICM" };
    this.sample = sample;
    await this.start(finding);
  }

  /** Ask everything anew: another radiograph, another model, or after a problem. */
  async start(finding = this.finding) {
    this.#forget();
    this.scores = [];
    this.#say("opened");
    if (!this.image) return;
    const { signal } = this.#aborts;
    try {
      this.models = this.models.length ? this.models : await this.#service.models(signal);
      this.model ??= this.models[0];
      const isKnown = this.model.findings.some((each) => each.finding === finding && each.trained);
      if (isKnown) this.choose(finding); // need not wait for the scores
      this.scores = await this.#service.classify(this.image.blob, { model: this.model.name, signal });
    } catch (error) {
      if (error.name !== "AbortError") this.#fail(error);
      return;
    }
    if (signal.aborted) return;
    this.#say("scores");
    this.#say("results");
    const margin = (each) => (each.trained ? each.score - each.operating_point : -Infinity);
    const highest = this.scores.toSorted((a, b) => margin(b) - margin(a))[0];
    if (!this.results.size && highest?.trained) this.choose(highest.finding);
  }

  /** Show a finding's explanation, and ask for it where it is not there yet. */
  choose(finding) {
    this.finding = finding;
    if (!this.results.has(finding) || this.results.get(finding).state === "failed") this.#request(finding, true);
    this.#say("shown");
    this.#say("results");
  }

  explainAll() {
    for (const { finding, trained } of this.scores) if (trained && !this.results.has(finding)) this.#request(finding);
    this.#say("results");
  }

  /** Change how findings are explained, which makes all explanations old. */
  setOptions(changes) {
    Object.assign(this.options, changes);
    if (!this.image || !this.scores.length) return;
    const asked = [...this.results.keys()];
    const { finding } = this;
    this.#forget();
    this.finding = finding;
    for (const each of asked) this.#request(each, each === finding);
    this.#say("shown");
    this.#say("results");
  }

  async setModel(name) {
    this.model = this.models.find((each) => each.name === name) ?? this.models[0];
    await this.start();
  }

  cancel() {
    this.#aborts.abort();
    this.#aborts = new AbortController();
    this.#queue = [];
    for (const [finding, { state }] of this.results) if (state === "waiting" || state === "heatmap") this.results.delete(finding);
    this.#say("results");
  }

  /** The query that asks for one finding's explanation as it is seen here. */
  queryOf(finding) {
    const { profile, frames, heatmap, maps } = this.options;
    return { model: this.model.name, finding, profile, frames, heatmap, saliency: maps ? TRADITIONAL : [] };
  }

  #request(finding, isUrgent = false) {
    this.results.set(finding, { state: "waiting", since: performance.now() });
    if (isUrgent) this.#queue.unshift(finding);
    else this.#queue.push(finding);
    this.#work();
  }

  #work() {
    while (this.#running < AT_ONCE && this.#queue.length) {
      const finding = this.#queue.shift();
      const { signal } = this.#aborts;
      this.#running += 1;
      this.#explain(finding, signal).finally(() => {
        this.#running -= 1;
        this.#work();
      });
    }
  }

  async #explain(finding, signal) {
    const onEvent = ({ event, explanation }) => {
      if (signal.aborted || !explanation) return;
      const state = event === "heatmap" ? "heatmap" : "done";
      const { since } = this.results.get(finding);
      this.results.set(finding, { state, since, seconds: (performance.now() - since) / 1000, explanation: unpack(explanation) });
      if (finding === this.finding) this.#say("shown");
      this.#say("results");
    };
    try {
      await this.#service.explain(this.image.blob, { query: this.queryOf(finding), signal, onEvent });
    } catch (error) {
      if (signal.aborted) return;
      this.results.set(finding, { state: "failed", problem: error });
      if (finding === this.finding) this.#fail(error);
      this.#say("results");
    }
  }

  #forget() {
    this.#aborts.abort();
    this.#aborts = new AbortController();
    this.#queue = [];
    this.results = new Map();
    this.problem = null;
    this.#say("problem");
  }

  #fail(error) {
    this.problem = error;
    this.#say("problem");
  }

  #say(name) {
    this.dispatchEvent(new Event(name));
  }
}

/** An explanation of the contract with its arrays as typed arrays, and the ends of its maps' scales. */
function unpack(json) {
  const explanation = { ...json };
  for (const name of ["frames", "heatmap", "radiograph"]) explanation[name] = decodeArray(json[name]);
  const greyRange = 255 * json.scale.scale;
  explanation.topShare = Math.max(explanation.heatmap.values.reduce((a, b) => Math.max(a, b), 0) / greyRange, SMALLEST_TOP);
  explanation.heatmapTop = explanation.topShare * greyRange;
  explanation.saliency = (json.saliency ?? []).map(({ kind, values }) => {
    const map = decodeArray(values);
    return { kind, map, top: quantile(map.values, SALIENCY_TOP) || 1 };
  });
  explanation.json = json;
  return explanation;
}
