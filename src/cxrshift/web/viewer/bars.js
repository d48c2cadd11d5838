// Every finding's score on the radiograph, as a bar with its operating point; choosing one explains it.

import { byId, element, two } from "./words.js";

export function settleBars(session) {
  const list = byId("bars");
  const buttons = new Map();

  session.addEventListener("opened", () => {
    buttons.clear();
    list.replaceChildren();
    byId("explain-all").hidden = true;
  });
  session.addEventListener("scores", () => {
    for (const score of session.scores) {
      const button = barButton(score);
      button.addEventListener("click", () => session.choose(score.finding));
      buttons.set(score.finding, button);
    }
    list.replaceChildren(...[...buttons.values()].map((button) => element("li", {}, button)));
  });
  session.addEventListener("results", () => {
    for (const [finding, button] of buttons) {
      const result = session.results.get(finding);
      button.setAttribute("aria-pressed", String(finding === session.finding));
      button.querySelector(".state").textContent = sayState(result);
    }
    const left = session.scores.filter(({ finding, trained }) => trained && !session.results.has(finding)).length;
    byId("explain-all").hidden = left === 0;
    byId("explain-all").textContent = left === 1 ? "Explain the other one too" : `Explain the other ${left} too`;
  });
  byId("explain-all").addEventListener("click", () => session.explainAll());
}

function barButton({ finding, score, operating_point: point, trained }) {
  const isPresent = trained && score >= point;
  const fill = element("i");
  fill.style.width = `${100 * score}%`;
  const tick = element("b");
  tick.style.left = `calc(${100 * point}% - 1px)`;
  const bar = element("span", { class: `bar${isPresent ? " present" : ""}`, "aria-hidden": "true" }, ...(trained ? [fill, tick] : []));
  const button = element(
    "button",
    { type: "button", disabled: !trained },
    element("span", { class: isPresent ? "present" : "" }, finding, " ", element("span", { class: "state" })),
    element("span", { class: "number" }, trained ? two(score) : "untrained"),
    element("span", { class: "unseen" }, trained ? `operating point ${two(point)}, ${isPresent ? "present" : "absent"}` : ""),
    bar,
  );
  button.dataset.finding = finding;
  return button;
}

function sayState(result) {
  const words = { waiting: "explaining …", heatmap: "decoding …", done: "✓", failed: "failed" };
  return result ? words[result.state] : "";
}
