// How far the shown explanation can be trusted: its warnings above the pictures, its measures beside them.

import { byId, element, signed, two } from "./words.js";

const MEASURES = [
  ["Radiograph's score", (e) => two(own(e, e.radiograph_scores))],
  ["Reconstruction's", (e) => two(e.score)],
  ["Gap", (e) => two(e.quality.score_gap)],
  ["Fall reached", (e) => signed(-e.quality.drop)],
  ["Rise reached", (e) => signed(e.quality.rise)],
  ["Monotone", (e) => `${Math.round(100 * e.quality.monotonicity)}%`],
  ["Likeness, SSIM", (e) => two(e.quality.ssim)],
  ["Error, MAE", (e) => `${((100 * e.quality.mae) / (255 * e.scale.scale)).toFixed(1)}% of range`],
  ["Strangeness", (e) => (e.quality.distance === null ? "not known" : `${two(e.quality.distance)}, limit 1`)],
];
const STOPS = {
  target: "at the target",
  floor: "at the score's floor",
  ceiling: "at the score's ceiling",
  reversed: "where the score turned",
  "pixel-change": "at the pixels' limit",
  "last-lambda": "at the last λ",
  "not-searched": "not searched",
};

export function settleQuality(session) {
  session.addEventListener("shown", () => tell(session));
  session.addEventListener("opened", () => tell(session));
}

function tell(session) {
  const explanation = session.shown;
  const warnings = explanation?.quality.warnings ?? [];
  byId("warnings").hidden = warnings.length === 0;
  byId("warnings").replaceChildren(...warnings.map((words) => element("li", { class: "message caution" }, words)));
  byId("verdict").textContent = session.finding;
  byId("verdict-more").textContent = explanation ? sayVerdict(explanation) : "";
  const rows = explanation ? MEASURES.map(([name, say]) => [name, say(explanation)]) : [];
  if (explanation) {
    rows.push(["Curtailed, ended", STOPS[explanation.below.stop]], ["Exaggerated, ended", STOPS[explanation.above.stop]]);
  }
  byId("quality").replaceChildren(
    element("dt", {}, "Warnings"),
    element("dd", { class: warnings.length ? "caution" : "" }, explanation ? sayCount(warnings.length) : "–"),
    ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
  );
}

function sayVerdict(explanation) {
  const score = own(explanation, explanation.radiograph_scores);
  const verdict = score >= explanation.operating_point ? "called present" : "called absent";
  return `${verdict}: score ${two(score)}, operating point ${two(explanation.operating_point)}`;
}

const own = (explanation, scores) => scores[explanation.findings.indexOf(explanation.finding)];

const sayCount = (count) => (count ? `${count}, above the pictures` : "none");
