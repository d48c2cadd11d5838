// What a reader has chosen, and a link that holds it: settings only, never an image, and after the #, where a browser
// sends it to nobody.

export const PROFILES = { "two-sided": "both ways", latentshift: "latentshift 0.0.6", gifsplanation: "the paper's" };
export const HEATMAPS = { max: "largest change", mean: "mean change", "first-to-last": "first to last", integrated: "integrated" };
export const FRAME_COUNTS = ["", "11", "21", "41", "81"];
export const MAP_PLACES = ["radiograph", "frame", "both", "none"];

/** Names in the link, with what they are when it says nothing. */
const DEFAULTS = {
  sample: "",
  model: "",
  finding: "",
  profile: "two-sided",
  frames: "",
  heatmap: "max",
  maps: "",
  over: "radiograph",
  colours: "inferno",
  opacity: "0.85",
  threshold: "0.08",
  window: "255",
  level: "127.5",
};

/** The settings that a link holds; what it does not know, or what is not one of a list, is left out. */
export function readLink(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const settings = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS)) if (given.has(name)) settings[name] = given.get(name);
  const lists = { profile: Object.keys(PROFILES), heatmap: Object.keys(HEATMAPS), frames: FRAME_COUNTS, over: MAP_PLACES };
  for (const [name, list] of Object.entries(lists)) if (!list.includes(settings[name])) settings[name] = DEFAULTS[name];
  for (const name of ["opacity", "threshold", "window", "level"]) {
    if (!Number.isFinite(Number(settings[name]))) settings[name] = DEFAULTS[name];
  }
  return settings;
}

/** The link's part after the #, of what differs from the defaults. */
export function writeLink(settings) {
  const told = Object.entries(settings).filter(([name, value]) => name in DEFAULTS && String(value) !== DEFAULTS[name]);
  return new URLSearchParams(told.map(([name, value]) => [name, String(value)])).toString();
}
