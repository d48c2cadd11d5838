// The administrator's page: how far the readers are, and what they found.

import { call } from "./calls.js";
import { askForCode, at, settleDoor, showSection, showTrouble } from "./door.js";
import { drawAxis, drawInterval, scaleOf } from "./forest.js";

const QUESTIONS = {
  confidence: "Confidence in the prediction",
  correct_feature: "Is the model looking at the correct feature?",
};
const ARMS = { both: "both arms, two reads", "latent-shift": "Latent Shift alone", traditional: "traditional maps alone" };

async function enter(role) {
  if (role !== "admin") {
    askForCode("That is a reader's code; this page needs an administrator's.");
    return;
  }
  at("logout").hidden = false;
  showSection("overview");
  await refresh();
}

/** Ask the server anew: progress first, for the statistics of a large study take some seconds. */
async function refresh() {
  at("refresh").disabled = true;
  at("basis").textContent = "Calculating …";
  try {
    showProgress(await call("GET", "/api/admin/progress"));
    const results = await call("GET", `/api/admin/results?power=${at("power").value}`);
    showComparisons(results);
    showArms(results);
    showTrouble("");
  } catch (error) {
    if (error.status === 401) askForCode("Your session has ended. Enter your code again.");
    else showTrouble(error.message);
  } finally {
    at("refresh").disabled = false;
  }
}

function showProgress({ arms, seed, cases, pairs, readers }) {
  at("facts").textContent = `${cases} cases, ${ARMS[arms]}, seed ${seed}`;
  const whole = readers.reduce((sum, reader) => sum + reader.cases * reader.done.length, 0);
  const readings = readers.reduce((sum, reader) => sum + reader.done.reduce((all, done) => all + done, 0), 0);
  const seconds = readers.map((reader) => reader.median_seconds).filter((each) => each !== null);
  const figures = [
    [String(readers.length), readers.length === 1 ? "reader" : "readers"],
    [`${readings} of ${whole}`, "readings"],
    [whole ? `${Math.floor((100 * readings) / whole)}%` : "–", "done"],
    [String(pairs), "pairs complete"],
    [seconds.length ? sayTime(mean(seconds)) : "–", "median time of a case"],
  ].filter(([, name]) => arms === "both" || name !== "pairs complete");
  at("figures").replaceChildren(
    ...figures.map(([figure, name]) => make("div", {}, [make("p", { class: "figure number" }, figure), make("p", { class: "muted" }, name)])),
  );
  fill("readers", readers.map(readerRow), "Nobody is to read yet: cxrshift study readers add.");
}

function readerRow(reader) {
  const bars = reader.done.map((done, i) =>
    make("div", { class: "read" }, [
      make("span", { class: "muted number" }, reader.done.length > 1 ? `Read ${i + 1}` : "Cases"),
      make("progress", { max: reader.cases || 1, value: done, "aria-label": `${reader.name}, read ${i + 1}` }),
      make("span", { class: "number" }, `${done} of ${reader.cases}`),
    ]),
  );
  const name = [reader.name, ...(reader.revoked ? [make("span", { class: "tag" }, "no code")] : [])];
  return make("tr", {}, [
    make("th", { scope: "row" }, name),
    make("td", {}, bars),
    make("td", { class: "right number" }, reader.median_seconds === null ? "–" : sayTime(reader.median_seconds)),
    make("td", { class: "right number" }, reader.seconds ? sayTime(reader.seconds) : "–"),
    make("td", { class: "right number" }, reader.last_at === null ? "–" : sayDate(reader.last_at)),
  ]);
}

function showComparisons({ comparisons, unpaired, readings, power }) {
  at("basis").textContent = `${readings - unpaired} readings in complete pairs` + (unpaired ? `; ${unpaired} still wait for their other arm` : "");
  at("method").hidden = comparisons.length === 0;
  if (!comparisons.length) {
    at("comparisons").replaceChildren(
      make("p", { class: "empty muted" }, "No case was read with both arms by one reader yet: there is nothing to compare."),
    );
    return;
  }
  const scale = scaleOf(comparisons);
  const names = [...new Set(comparisons.map((one) => one.question))];
  at("comparisons").replaceChildren(
    ...names.map((name) => comparisonTable(name, comparisons.filter((one) => one.question === name), scale, power)),
  );
}

function comparisonTable(question, comparisons, scale, power) {
  const rows = [];
  for (const [i, one] of comparisons.entries()) {
    if (one.label !== comparisons[i - 1]?.label) {
      const group = make("th", { scope: "rowgroup", colspan: 7, class: "group" }, `${one.label}s`);
      rows.push(make("tr", {}, [group]));
    }
    rows.push(comparisonRow(one, scale));
  }
  const heads = ["Finding", "Pairs", "", "Mean ± sd", "W", "p", `Pairs needed at ${Math.round(100 * power)}%`];
  const head = heads.map((text, i) =>
    make("th", { scope: "col", class: i === 0 ? "" : i === 2 ? "plot" : "right" }, i === 2 ? [drawAxis(scale)] : text),
  );
  const caption = make("caption", { id: `table-${question}` }, QUESTIONS[question]);
  const table = make("table", { class: "forest" }, [
    caption,
    make("thead", {}, [make("tr", {}, head)]),
    make("tbody", {}, rows),
  ]);
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-labelledby": `table-${question}` }, [table]);
}

function comparisonRow(one, scale) {
  const all = one.finding === "all";
  const p = one.p === null ? "no pair differs" : one.p < 0.001 ? "< 0.001" : one.p.toPrecision(4);
  const right = (text, kind = "") => make("td", { class: `right number ${kind}` }, text);
  return make("tr", { class: all ? "all" : "" }, [
    make("th", { scope: "row" }, all ? "All findings" : one.finding),
    right(String(one.pairs)),
    make("td", { class: "plot" }, [drawInterval(one, scale)]),
    right(`${sign(one.mean)} ± ${one.sd.toFixed(4)}`),
    right(one.statistic === null ? "–" : one.statistic.toFixed(1)),
    right(p, one.p !== null && one.p < 0.05 ? "small-p" : ""),
    right(one.needed === null || one.needed > 1e6 ? "–" : String(Math.round(one.needed))),
  ]);
}

function showArms({ arms }) {
  const rows = arms.map((one) =>
    make("tr", {}, [
      make("td", {}, QUESTIONS[one.question]),
      make("td", {}, `${one.label}s`),
      make("td", {}, one.arm),
      make("td", { class: "right number" }, String(one.readings)),
      make("td", { class: "right number" }, `${one.mean.toFixed(3)} ± ${one.sd.toFixed(3)}`),
    ]),
  );
  fill("arms", rows, "No answer was submitted yet.");
}

function fill(table, rows, otherwise) {
  const columns = at(table).querySelectorAll("thead th").length;
  const empty = () => make("tr", {}, [make("td", { colspan: columns, class: "muted" }, otherwise)]);
  at(table).tBodies[0].replaceChildren(...(rows.length ? rows : [empty()]));
}

function make(name, attributes, content = []) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) value !== "" && element.setAttribute(key, value);
  element.append(...(Array.isArray(content) ? content : [content]));
  return element;
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const sign = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;

function sayTime(seconds) {
  if (seconds < 100) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  return seconds < 6000 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function sayDate(seconds) {
  return new Date(1000 * seconds).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

at("refresh").addEventListener("click", refresh);
at("power").addEventListener("change", refresh);

settleDoor(enter);
