// The shown explanation as a file, rendered by the service from the same request, which gives the same bytes.

import { byId, element } from "./words.js";

const FORMS = [
  { name: "GIF", form: "image/gif", ending: "gif", words: "the sweep" },
  { name: "WebP", form: "image/webp", ending: "webp", words: "the sweep, small" },
  { name: "MP4", form: "video/mp4", ending: "mp4", words: "the sweep, as a film" },
  { name: "PNG", form: "image/png", ending: "png", words: "the heatmap over the radiograph" },
  { name: "JSON", form: "application/json", ending: "json", words: "scores, frames and heatmap" },
  { name: "DICOM stack", form: "application/dicom", object: "stack", ending: "dcm", words: "the frames" },
  { name: "DICOM overlay", form: "application/dicom", object: "overlay", ending: "dcm", words: "the heatmap" },
  { name: "DICOM report", form: "application/dicom", object: "report", ending: "dcm", words: "the numbers" },
];

export function settleDownloads({ session, service, about }) {
  const offered = FORMS.filter(({ form }) => about.forms.includes(form));
  const buttons = offered.map((each) => {
    const button = element("button", { type: "button", title: each.words }, each.name);
    button.addEventListener("click", () => save(each, button));
    return button;
  });
  byId("downloads").replaceChildren(...buttons);

  const settle = () => {
    const isReady = session.results.get(session.finding)?.state === "done";
    offered.forEach(({ object }, i) => {
      buttons[i].disabled = !isReady || (object && !session.isDicom);
    });
    const words = session.image && !session.isDicom ? "DICOM objects are made of a DICOM radiograph: they belong to its study." : "";
    byId("download-words").textContent = words;
  };
  for (const event of ["results", "opened", "shown"]) session.addEventListener(event, settle);
  settle();

  async function save({ name, form, object, ending }, button) {
    const { finding } = session;
    byId("download-words").textContent = `${name} is being made …`;
    button.disabled = true;
    try {
      const query = { ...session.queryOf(finding), ...(object ? { object } : {}) };
      const blob = await service.render(session.image.blob, { query, form });
      const part = object && object !== "stack" ? `-${object}` : "";
      hand(blob, `cxrshift-${finding.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}${part}.${ending}`);
      byId("download-words").textContent = `${name} saved.`;
    } catch (error) {
      byId("download-words").textContent = `${name}: ${error.message}`;
    } finally {
      button.disabled = false;
    }
  }
}

/** Hand the browser a file to save. Its name holds nothing of the radiograph's own. */
function hand(blob, name) {
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
