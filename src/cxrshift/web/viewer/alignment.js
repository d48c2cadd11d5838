// How the other findings' scores move along each explained finding's path: counterfactual alignment (arXiv 2312.02186).

import { byId, element, signed } from "./words.js";

const SMALLEST_MOVE = 0.1; // of a finding's own score: divided by less, the others' moves would mean nothing
const DARKEST = 48; // percent of the colour, so that the numbers stay readable

export function settleAlignment(session) {
  const panel = byId("alignment");
  const more = element("button", { type: "button" }, "Explain the others too");
  more.addEventListener("click", () => session.explainAll());
  const tell = () => {
    const explained = [...session.results.values()].flatMap(({ state, explanation }) => (state === "done" ? [explanation] : []));
    if (!explained.length) {
      panel.replaceChildren(element("p", { class: "muted" }, "Comes with the explanation."));
      return;
    }
    const isWhole = session.scores.every(({ finding, trained }) => !trained || session.results.has(finding));
    more.hidden = isWhole;
    panel.replaceChildren(
      element("p", { class: "muted small" }, "Along the path of a row's finding, from curtailed to exaggerated, a column's score moves by this share of the row's own: 1 as far, 0 not at all, below 0 against it."),
      element("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Alignment of the findings" }, matrixOf(explained)),
      more,
    );
  };
  for (const event of ["results", "opened"]) session.addEventListener(event, tell);
  tell();
}

function matrixOf(explained) {
  const { findings } = explained[0];
  const heads = findings.map((finding) => element("th", { scope: "col" }, element("span", {}, finding)));
  const inOrder = explained.toSorted((a, b) => findings.indexOf(a.finding) - findings.indexOf(b.finding));
  const rows = inOrder.map((explanation) => {
    const cells = moves(explanation).map((move, column) => cell(move, findings[column] === explanation.finding));
    return element("tr", {}, element("th", { scope: "row" }, explanation.finding), ...cells);
  });
  return element(
    "table",
    { class: "matrix" },
    element("thead", {}, element("tr", {}, element("td", {}, ""), ...heads)),
    element("tbody", {}, ...rows),
  );
}

/** A_cj = (s_j(λ_high) − s_j(λ_low)) / (s_c(λ_high) − s_c(λ_low)) for every column j; null where c hardly moves. */
function moves({ finding, findings, scores }) {
  const [low, high] = [scores[0], scores[scores.length - 1]];
  const changes = findings.map((_, column) => high[column] - low[column]);
  const own = changes[findings.indexOf(finding)];
  return changes.map((change) => (Math.abs(own) < SMALLEST_MOVE ? null : change / own));
}

function cell(move, isOwn) {
  const made = element("td", { class: isOwn ? "own" : "" }, move === null ? "–" : signed(move));
  if (move === null) made.title = "The finding's own score hardly moves.";
  made.style.setProperty("--side", move < 0 ? "var(--down)" : "var(--up)");
  made.style.setProperty("--share", `${DARKEST * Math.min(Math.abs(move ?? 0), 1)}%`);
  return made;
}
