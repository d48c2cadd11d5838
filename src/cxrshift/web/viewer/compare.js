// The heatmap and the traditional maps side by side, over the same radiograph, zoomed and windowed in step.

import { Stage } from "../common/stage.js";
import { byId, element, plainName } from "./words.js";

export function settleCompare(session, view) {
  const panel = byId("compare");
  let shown = null;
  const stages = [];
  const offer = element("button", { type: "button", id: "add-maps" }, "Add traditional maps");
  offer.addEventListener("click", () => session.setOptions({ maps: true }));

  const tell = () => {
    const explanation = session.shown;
    if (explanation === shown && panel.childElementCount) return;
    shown = explanation;
    for (const stage of stages.splice(0)) stage.close();
    if (!session.options.maps) {
      const words = "Input gradient, integrated gradients and guided backpropagation, for comparison. They take a little longer.";
      panel.replaceChildren(element("div", { class: "offer" }, offer, element("span", { class: "muted" }, words)));
    } else if (explanation?.saliency.length) {
      panel.replaceChildren(
        element("div", { class: "maps" }, ...picturesOf(explanation, view, stages)),
        element("p", { class: "muted small" }, "Each map has a scale of its own: compare where they are high, not how high."),
      );
    } else {
      panel.replaceChildren(element("p", { class: "muted" }, "The maps come with the explanation."));
    }
  };
  for (const event of ["shown", "opened"]) session.addEventListener(event, tell);
  tell();
}

function picturesOf(explanation, view, stages) {
  const maps = [
    { name: "Latent Shift", map: explanation.heatmap, top: explanation.heatmapTop },
    ...explanation.saliency.map(({ kind, map, top }) => ({ name: plainName(kind), map, top })),
  ];
  const [height, width] = explanation.radiograph.shape;
  return maps.map(({ name, map, top }) => {
    const canvas = element("canvas", { role: "img", "aria-label": `${name} over the radiograph` });
    const stage = new Stage(canvas, view);
    stage.show(explanation.radiograph.values, height, width);
    stage.lay(map.values, top);
    stages.push(stage);
    return element("figure", {}, element("figcaption", {}, element("b", {}, name)), element("div", { class: "stage" }, canvas));
  });
}
