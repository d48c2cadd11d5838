// The keyboard: one key for each thing that is done often, wherever the focus is, unless it is where keys have a use.

import { MAP_PLACES } from "./settings.js";
import { byId } from "./words.js";

const MOVED = "input, [role=tab]";
/** Where a key already does something by itself. */
const OWN_USES = {
  " ": "button, summary, a, input:not([type=range])",
  ArrowLeft: MOVED,
  ArrowRight: MOVED,
  Home: MOVED,
  End: MOVED,
};

export function settleKeys({ session, view, film }) {
  const placeMap = () => {
    byId("map-over").value = MAP_PLACES[(MAP_PLACES.indexOf(film.over) + 1) % MAP_PLACES.length];
    byId("map-over").dispatchEvent(new Event("change"));
  };
  const chooseBeside = (by) => {
    const known = session.scores.filter(({ trained }) => trained).map(({ finding }) => finding);
    const next = known[known.indexOf(session.finding) + by];
    if (next) session.choose(next);
  };
  const actions = {
    ArrowLeft: () => film.sweep.step(-1),
    ArrowRight: () => film.sweep.step(1),
    Home: () => film.sweep.step(-Infinity),
    End: () => film.sweep.step(Infinity),
    " ": () => film.togglePlay(),
    r: () => film.goHome(),
    b: () => film.toggleBlink(),
    m: placeMap,
    "[": () => chooseBeside(-1),
    "]": () => chooseBeside(1),
    "+": () => view.zoomAt(1.25),
    "-": () => view.zoomAt(0.8),
    0: () => view.resetZoom(),
    o: () => byId("file").click(),
    "?": () => byId("help").showModal(),
  };
  document.addEventListener("keydown", (event) => {
    const target = event.target;
    const isTyping = target.closest("input[type=text], input[type=password], textarea, select, dialog");
    const act = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    if (target.closest(OWN_USES[event.key] ?? "no-element")) return;
    if (!session.image && !["o", "?"].includes(event.key)) return;
    event.preventDefault();
    act();
  });
}
