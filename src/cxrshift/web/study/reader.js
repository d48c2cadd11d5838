// A reader's page: from the code to the last case.

import { View } from "/web/common/view.js";
import { call } from "./calls.js";
import { Clock } from "./clock.js";
import { askForCode, at, settleDoor, showSection, showTrouble } from "./door.js";
import { Pictures } from "./pictures.js";
import { Questions } from "./questions.js";
import { Saver } from "./saver.js";

const HEARTBEAT_MILLISECONDS = 15000; // of reading time, a crash loses no more

const view = new View();
const clock = new Clock();
const saver = new Saver();
const pictures = new Pictures(at("pictures"), view);
const questions = new Questions(at("questions"));
let place = null;
let isReady = false;

async function enter(role) {
  if (role === "admin") {
    location.assign("/admin");
    return;
  }
  at("logout").hidden = false;
  await goTo(await call("GET", "/api/case"), { greet: true });
}

/** Show where the reader stands. */
async function goTo(next, { greet = false } = {}) {
  place = next;
  isReady = false;
  clock.pause();
  saver.reset();
  pictures.clear();
  showTrouble("");
  showProgress();
  at("show-instructions").hidden = place.stage !== "case";
  if (place.stage === "rest") {
    const until = new Date(place.until);
    at("rest-until").textContent = until.toLocaleString([], { dateStyle: "long", timeStyle: "short" });
  }
  const isFresh = place.stage === "case" && place.position === 1 && !place.draft.seconds;
  if (isFresh && (greet || place.read > 1)) showInstructions();
  else if (place.stage === "case") await showCase();
  else showSection(place.stage);
}

function showInstructions() {
  clock.pause();
  const again = place.read > 1;
  at("instructions-title").textContent = again ? "The second read" : "Before you begin";
  at("instructions-lead").textContent = again
    ? "You will see the same cases once more, in another order and each with the other kind of explanation. Please answer afresh."
    : `There are ${place.cases} cases${place.reads > 1 ? ", which you will read twice, each time with another explanation" : ""}. ` +
      "Take the time that you need.";
  at("begin").textContent = place.position === 1 && !place.draft.seconds ? "Begin" : "Go on";
  showSection("instructions");
}

async function showCase() {
  const { ticket, draft } = place;
  at("case-title").textContent = progressWords();
  questions.load(place.prediction, draft);
  at("saved").textContent = "";
  showSection("case");
  if (!pictures.sweep && !at("pictures").childElementCount) {
    try {
      const told = await call("GET", `/api/case/pictures?ticket=${encodeURIComponent(ticket)}`);
      if (place.ticket !== ticket) return;
      pictures.show(told);
    } catch (error) {
      leave(error);
      return;
    }
    clock.start(draft.seconds);
  } else {
    clock.resume();
  }
  isReady = true;
}

function showProgress() {
  const isCase = place.stage === "case";
  at("progress").hidden = !isCase;
  if (!isCase) return;
  at("progress-words").textContent = progressWords();
  at("progress-bar").value = (place.position - 1) / place.cases;
}

function progressWords() {
  const read = place.reads > 1 ? `, read ${place.read} of ${place.reads}` : "";
  return `Case ${place.position} of ${place.cases}${read}`;
}

const draft = () => ({ ticket: place.ticket, ...questions.answer, seconds: clock.seconds });

function save() {
  if (!isReady) return;
  at("saved").textContent = "Saving …";
  saver.save(draft());
}

async function submit() {
  if (!isReady || questions.tellMissing()) return;
  isReady = false;
  clock.pause();
  saver.reset();
  at("next").disabled = true;
  try {
    await saver.settled();
    await goTo(await call("POST", "/api/case/answer", draft()));
  } catch (error) {
    isReady = true;
    clock.resume();
    if (error.status && error.status !== 503) leave(error);
    else showTrouble(`${error.message} Your answer is still here: press Next again in a moment.`);
  } finally {
    at("next").disabled = false;
  }
}

/** The server does not take what this page sends: say why, and begin from where the reader really stands. */
async function leave(error) {
  if (error.status === 401) {
    clock.pause();
    isReady = false;
    at("progress").hidden = at("show-instructions").hidden = true;
    askForCode("Your session has ended. Enter your code again; everything so far is saved.");
  } else if (error.status === 409) {
    await goTo(await call("GET", "/api/case"));
    showTrouble("This case was answered in another window. Here is where you stand now.");
  } else {
    showTrouble(error.message);
  }
}

questions.addEventListener("change", save);
questions.addEventListener("submit", submit);
saver.addEventListener("saved", () => {
  showTrouble("");
  at("saved").textContent = "Saved";
});
saver.addEventListener("waiting", () => {
  at("saved").textContent = "Not saved yet";
  showTrouble("The study's server does not answer. Your answer is kept here and sent again every two seconds.");
});
saver.addEventListener("over", (event) => leave(event.detail));
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden" && isReady) saver.saveLast(draft());
});
addEventListener("pagehide", () => isReady && saver.saveLast(draft()));
setInterval(() => isReady && document.visibilityState === "visible" && saver.save(draft()), HEARTBEAT_MILLISECONDS);

at("begin").addEventListener("click", () => showCase());
at("show-instructions").addEventListener("click", () => {
  isReady && save();
  isReady = false;
  showInstructions();
});
at("zoom-in").addEventListener("click", () => view.zoomAt(1.25));
at("zoom-out").addEventListener("click", () => view.zoomAt(0.8));
at("reset").addEventListener("click", resetView);
at("opacity").addEventListener("input", () => view.set({ opacity: at("opacity").value / 100 }));

function resetView() {
  view.resetZoom();
  view.resetWindow();
}

const KEYS = {
  ArrowLeft: () => pictures.sweep?.step(-1),
  ArrowRight: () => pictures.sweep?.step(1),
  ArrowUp: () => questions.move(-1),
  ArrowDown: () => questions.move(1),
  p: () => (pictures.sweep?.isPlaying ? pictures.sweep.pause() : pictures.sweep?.play()),
  "+": () => view.zoomAt(1.25),
  "=": () => view.zoomAt(1.25),
  "-": () => view.zoomAt(0.8),
  0: resetView,
  Enter: submit,
};
for (const digit of ["1", "2", "3", "4", "5"]) KEYS[digit] = () => questions.choose(Number(digit));

document.addEventListener("keydown", (event) => {
  if (at("case").hidden) return;
  if (event.key === "Enter" && event.ctrlKey) return void submit();
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { target } = event;
  if (target.matches("textarea")) return;
  // A slider keeps its arrows, a button its Enter, but for the answers', which are pressed already.
  if (target.matches("input") && event.key.startsWith("Arrow")) return;
  if (event.key === "Enter" && target.matches("button") && !target.matches(".choices button, #next")) return;
  const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act || (event.repeat && event.key === "Enter")) return;
  event.preventDefault();
  act();
});

// A click with the mouse leaves the keys with the case: Enter means the next one again.
document.addEventListener("click", (event) => {
  if (event.detail && !at("case").hidden && event.target.closest(".tools button, .player button, .choices button, #theme")) {
    at("case-title").focus({ preventScroll: true });
  }
});

settleDoor(enter);
