// How a radiograph comes in: dropped anywhere on the page, chosen, pasted, or one of the samples.

import { byId, element } from "./words.js";

/**
 * @param {(blob: Blob, from: {sample: string}) => void} open what is done with a file
 * @param {(words: string) => void} refuse tells why one was not taken
 */
export function settleIntake({ service, about, open, refuse }) {
  const take = (file, from = { sample: "" }) => {
    if (file.size > about.max_bytes) {
      refuse(`This file has ${megabytes(file.size)}; ${megabytes(about.max_bytes)} are the most that is taken.`);
    } else if (file.size === 0) {
      refuse("This file is empty.");
    } else {
      open(file, from);
    }
  };
  const takeFirst = (files) => {
    if (files.length > 1) refuse("Drop one radiograph at a time.");
    else if (files.length) take(files[0]);
  };
  const chooser = byId("file");
  chooser.addEventListener("change", () => {
    takeFirst(chooser.files);
    chooser.value = ""; // so that the same file can be chosen again
  });
  settleDrop(takeFirst);
  document.addEventListener("paste", (event) => event.clipboardData?.files.length && takeFirst(event.clipboardData.files));

  const openSample = async (sample) => {
    try {
      take(await service.sample(sample.file), { sample: sample.name });
    } catch (error) {
      refuse(error.message);
    }
  };
  byId("samples").replaceChildren(...about.samples.map((sample) => element("li", {}, sampleButton(sample, openSample))));
  byId("samples").hidden = byId("samples-title").hidden = about.samples.length === 0;
  return { openSample };
}

function sampleButton(sample, openSample) {
  const title = sample.title.replace(/^\d+ /, "");
  const picture = sample.picture
    ? element("img", { src: `web/samples/${encodeURIComponent(sample.picture)}`, alt: "", loading: "lazy" })
    : element("div", { class: "no-picture" }, "DICOM");
  const button = element("button", { type: "button", title }, picture, element("span", {}, title));
  button.addEventListener("click", () => openSample(sample));
  return button;
}

function settleDrop(takeFirst) {
  const veil = byId("dropping");
  let depth = 0; // entering a child comes before leaving its parent
  const show = (change) => {
    depth = change ? Math.max(0, depth + change) : 0;
    veil.hidden = depth === 0;
  };
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  window.addEventListener("dragenter", (event) => carriesFiles(event) && show(1));
  window.addEventListener("dragleave", (event) => carriesFiles(event) && show(-1));
  window.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  window.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    show(0);
    takeFirst(event.dataTransfer.files);
  });
}

const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`;
