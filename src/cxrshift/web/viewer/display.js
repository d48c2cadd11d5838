// The controls of how pictures are displayed, and the view that they set.

import { COLOUR_MAPS, coloursOf } from "../common/colours.js";
import { byId, element, plainName } from "./words.js";

/** Names of the view's numbers, and of the sliders that set them. */
const SLIDERS = { opacity: "opacity", threshold: "threshold", width: "window-width", level: "window-level" };

export function settleDisplay(session, view, film) {
  byId("colours").replaceChildren(...COLOUR_MAPS.map((name) => element("option", { value: name }, plainName(name))));
  byId("colours").addEventListener("change", () => view.set({ colours: byId("colours").value }));
  byId("map-over").addEventListener("change", () => {
    film.layOver(byId("map-over").value);
    view.dispatchEvent(new Event("change"));
  });
  for (const [name, id] of Object.entries(SLIDERS)) {
    byId(id).addEventListener("input", () => view.set({ [name]: Number(byId(id).value) }));
  }
  byId("zoom-in").addEventListener("click", () => view.zoomAt(1.25));
  byId("zoom-out").addEventListener("click", () => view.zoomAt(0.8));
  byId("zoom-reset").addEventListener("click", () => view.resetZoom());
  byId("window-reset").addEventListener("click", () => view.resetWindow());

  const settle = () => {
    for (const [name, id] of Object.entries(SLIDERS)) byId(id).value = view[name];
    byId("opacity").setAttribute("aria-valuetext", `${Math.round(100 * view.opacity)}%`);
    byId("threshold").setAttribute("aria-valuetext", `${Math.round(100 * view.threshold)}% of the scale`);
    byId("colours").value = view.colours;
    byId("map-over").value = film.over;
    drawLegend(view.colours);
  };
  view.addEventListener("change", settle);
  session.addEventListener("shown", () => {
    const top = session.shown?.topShare;
    byId("legend-top").textContent = top ? `${(100 * top).toFixed(0)}% of the grey range` : "";
  });
  settle();
}

function drawLegend(colours) {
  const ink = byId("legend").getContext("2d");
  const table = coloursOf(colours);
  for (let x = 0; x < 256; x++) {
    const step = 3 * Math.round(255 * (0.2 + (0.75 * x) / 255));
    ink.fillStyle = `rgb(${table[step]} ${table[step + 1]} ${table[step + 2]})`;
    ink.fillRect(x, 0, 1, 8);
  }
}
