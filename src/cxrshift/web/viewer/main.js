// The viewer: puts its parts together, and keeps the page's address in step with what was chosen.

import { COLOUR_MAPS } from "../common/colours.js";
import { settleTheme } from "../common/theme.js";
import { View } from "../common/view.js";
import { settleAlignment } from "./alignment.js";
import { settleBars } from "./bars.js";
import { settleCompare } from "./compare.js";
import { settleDisplay } from "./display.js";
import { settleDownloads } from "./downloads.js";
import { Film } from "./film.js";
import { settleIntake } from "./intake.js";
import { settleKeyDialog } from "./key_dialog.js";
import { settleKeys } from "./keys.js";
import { settleProgress } from "./progress.js";
import { settleQuality } from "./quality.js";
import { settleReceipt } from "./receipt.js";
import { Service } from "./service.js";
import { Session } from "./session.js";
import { FRAME_COUNTS, HEATMAPS, PROFILES, readLink, writeLink } from "./settings.js";
import { settleTabs } from "./tabs.js";
import { byId, element } from "./words.js";

const service = new Service();
const session = new Session(service);
const view = new View();
const film = new Film(session, view);
const link = readLink(location.hash);

settleTheme(byId("theme"));
settlePage();
settleProgress(session);
settleBars(session);
settleQuality(session);
settleCompare(session, view);
settleAlignment(session);
settleReceipt(session);
settleTabs();
settleDisplay(session, view, film);
settleKeys({ session, view, film });
settleKeyDialog(service, session, start);
await start();

/** Ask what there is, offer it, and do what the link says. */
async function start() {
  let about;
  try {
    [about, session.models] = await Promise.all([service.describe(), service.models()]);
  } catch (error) {
    session.problem = error;
    session.dispatchEvent(new Event("problem"));
    return;
  }
  session.problem = null;
  session.dispatchEvent(new Event("problem"));
  byId("version").textContent = `cxrshift ${about.version}`;
  byId("notice").textContent = about.notice;
  applyLink();
  settleDownloads({ session, service, about });
  let wanted = link.finding; // of the first radiograph; later ones are explained by what they show
  const { openSample } = settleIntake({
    service,
    about,
    open: (blob, { sample }) => {
      session.open(blob, { sample, finding: wanted });
      wanted = "";
    },
    refuse: (words) => {
      session.problem = { title: "This file was not taken", message: words, code: "" };
      session.dispatchEvent(new Event("problem"));
    },
  });
  const sample = about.samples.find(({ name }) => name === link.sample);
  if (sample) await openSample(sample);
}

function applyLink() {
  session.model = session.models.find(({ name }) => name === link.model) ?? session.models[0];
  Object.assign(session.options, { profile: link.profile, frames: link.frames, heatmap: link.heatmap, maps: link.maps === "1" });
  film.layOver(link.over);
  view.set({
    colours: COLOUR_MAPS.includes(link.colours) ? link.colours : COLOUR_MAPS[0],
    opacity: Number(link.opacity),
    threshold: Number(link.threshold),
    width: Number(link.window),
    level: Number(link.level),
  });
  fill("model", session.models.map(({ name, ready }) => [name, ready ? name : `${name} (not ready)`]), session.model?.name);
  fill("profile", Object.entries(PROFILES), link.profile);
  fill("heatmap", Object.entries(HEATMAPS), link.heatmap);
  fill("frames", FRAME_COUNTS.map((count) => [count, count || "the usual"]), link.frames);
}

function fill(id, options, chosen) {
  byId(id).replaceChildren(...options.map(([value, words]) => element("option", { value }, words)));
  byId(id).value = chosen ?? "";
}

function settlePage() {
  const setState = () => {
    const isOpen = Boolean(session.image) && !(session.problem && !session.scores.length); // else it could not be read
    byId("main").dataset.state = isOpen ? "open" : "empty";
    for (const part of document.querySelectorAll(".findings, .side")) part.hidden = !isOpen;
    document.querySelector(".work").hidden = !isOpen && !session.problem;
    document.querySelector(".work").dataset.alone = String(!isOpen);
  };
  for (const event of ["opened", "problem"]) session.addEventListener(event, setState);
  setState();
  byId("model").addEventListener("change", () => session.setModel(byId("model").value));
  for (const id of ["profile", "frames", "heatmap"]) {
    byId(id).addEventListener("change", () => session.setOptions({ [id]: byId(id).value }));
  }
  byId("help-button").addEventListener("click", () => byId("help").showModal());
  for (const event of ["opened", "shown", "results"]) session.addEventListener(event, keepLink);
  view.addEventListener("change", keepLink);
  byId("copy").addEventListener("click", async () => {
    byId("link").select();
    await navigator.clipboard?.writeText(byId("link").value).catch(() => {}); // not over plain HTTP; it is selected then
    byId("copy").textContent = "Copied";
    setTimeout(() => (byId("copy").textContent = "Copy"), 1500);
  });
}

function keepLink() {
  if (!session.image) return;
  const { options } = session;
  const settings = {
    sample: session.sample,
    model: session.model && session.model !== session.models[0] ? session.model.name : "",
    finding: session.finding,
    profile: options.profile,
    frames: options.frames,
    heatmap: options.heatmap,
    maps: options.maps ? "1" : "",
    over: film.over,
    colours: view.colours,
    opacity: view.opacity,
    threshold: view.threshold,
    window: Math.round(view.width),
    level: view.level,
  };
  const told = writeLink(settings);
  if (location.hash !== `#${told}`) history.replaceState(null, "", told ? `#${told}` : location.pathname);
  byId("link").value = location.href;
}
