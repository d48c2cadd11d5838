// The prediction and the two five-point questions about it.

import { at } from "./door.js";

const ENDS = { confidence: ["not at all", "completely"], correct_feature: ["no, elsewhere", "yes, exactly"] };

/** Says "change" when an answer was changed, "submit" when the reader wants the next case. */
export class Questions extends EventTarget {
  #fields;
  #answers = {};
  #active = 0;

  constructor(form) {
    super();
    this.#fields = [...form.querySelectorAll(".question")];
    this.#fields.forEach((field, number) => this.#fill(field, number));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.dispatchEvent(new Event("submit"));
    });
    at("comment").addEventListener("input", () => this.dispatchEvent(new Event("change")));
  }

  /** Begin a case, with what was answered of it before. */
  load(prediction, { confidence, correct_feature, comment }) {
    const { finding, score, operating_point: point, present } = prediction;
    at("finding").textContent = finding;
    at("verdict").textContent = present ? "present" : "not present";
    at("verdict").className = present ? "is-present" : "is-absent";
    at("score").textContent = `Score ${score.toFixed(2)}; called present from ${point.toFixed(2)}`;
    at("gauge-fill").style.width = `${100 * score}%`;
    at("gauge-point").style.left = `${100 * point}%`;
    this.#answers = { confidence, correct_feature };
    at("comment").value = comment;
    at("missing").textContent = "";
    this.#show();
    this.#activate(confidence === null || correct_feature !== null ? 0 : 1);
  }

  get answer() {
    return { ...this.#answers, comment: at("comment").value };
  }

  /** Answer the question that is active, and go on to the other where that is open. */
  choose(value, number = this.#active) {
    this.#answers[this.#name(number)] = value;
    at("missing").textContent = "";
    this.#show();
    const open = this.#fields.findIndex((_, i) => this.#answers[this.#name(i)] === null);
    this.#activate(open === -1 ? number : open);
    this.dispatchEvent(new Event("change"));
  }

  /** Make the question above or below the active one. */
  move(by) {
    this.#activate(Math.min(Math.max(this.#active + by, 0), this.#fields.length - 1));
  }

  /** Whether an answer is missing; says so, and makes that question the active one. */
  tellMissing() {
    const open = this.#fields.findIndex((_, i) => this.#answers[this.#name(i)] === null);
    if (open === -1) return false;
    this.#activate(open);
    at("missing").textContent = `Please answer: ${this.#fields[open].querySelector(".asked").textContent}`;
    return true;
  }

  #name(number) {
    return this.#fields[number].dataset.question;
  }

  #fill(field, number) {
    const [low, high] = ENDS[field.dataset.question];
    for (let value = 1; value <= 5; value++) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = value;
      button.setAttribute("aria-label", `${value}${value === 1 ? `, ${low}` : value === 5 ? `, ${high}` : ""}`);
      button.addEventListener("click", () => this.choose(value, number));
      field.querySelector(".choices").append(button);
    }
  }

  #show() {
    this.#fields.forEach((field, number) => {
      field.querySelectorAll("button").forEach((button, i) => {
        button.setAttribute("aria-pressed", String(this.#answers[this.#name(number)] === i + 1));
      });
    });
  }

  #activate(number) {
    this.#active = number;
    this.#fields.forEach((field, i) => field.classList.toggle("active", i === number));
  }
}
