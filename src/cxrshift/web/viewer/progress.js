// What is going on, and what went wrong.

import { byId, element } from "./words.js";

const TICK_MILLISECONDS = 100;
const LONG_SECONDS = 5;

export function settleProgress(session) {
  let timer = 0;
  const tick = () => {
    const waiting = [...session.results].filter(([, { state }]) => state === "waiting" || state === "heatmap");
    const isOn = waiting.length > 0;
    byId("progress").hidden = !isOn;
    if (!isOn) {
      clearInterval(timer);
      timer = 0;
      return;
    }
    const [finding, { since }] = waiting.find(([name]) => name === session.finding) ?? waiting[0];
    const seconds = (performance.now() - since) / 1000;
    const others = waiting.length > 1 ? ` and ${waiting.length - 1} more` : "";
    const patience = seconds > LONG_SECONDS ? " The service is busy." : "";
    byId("progress-words").textContent = `Explaining ${finding}${others} … ${seconds.toFixed(0)} s.${patience}`;
  };
  session.addEventListener("results", () => {
    timer ||= setInterval(tick, TICK_MILLISECONDS);
    tick();
  });
  session.addEventListener("opened", tick);
  session.addEventListener("problem", () => tellProblem(session));
  byId("cancel").addEventListener("click", () => session.cancel());
}

function tellProblem(session) {
  const { problem } = session;
  byId("problem").hidden = !problem;
  if (!problem) {
    byId("problem").replaceChildren();
    return;
  }
  const lines = [element("b", {}, problem.title), element("span", {}, problem.message)];
  if (problem.requestId) lines.push(element("span", { class: "small" }, `${problem.code}, request ${problem.requestId}`));
  const mayHelp = !["INVALID_IMAGE", "UNSUPPORTED_IMAGE", "TOO_LARGE", ""].includes(problem.code ?? "");
  if (mayHelp) {
    const wait = problem.retryAfter ? ` (in ${Math.ceil(problem.retryAfter)} s)` : "";
    const again = element("button", { type: "button", id: "again" }, `Try again${wait}`);
    again.addEventListener("click", () => (session.image ? session.start() : location.reload()));
    lines.push(again);
  }
  byId("problem").replaceChildren(...lines);
}
