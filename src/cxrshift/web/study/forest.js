// A mean with its interval, on a scale that all rows share.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 400;
const INSET = 8;
const STEPS = [0.1, 0.2, 0.25, 0.5, 1, 2];

/** The scale that holds every interval, the same to both sides of 0. */
export function scaleOf(comparisons) {
  const ends = comparisons.flatMap(({ mean, low, high }) => [mean, low ?? mean, high ?? mean].map(Math.abs));
  const reach = Math.max(...ends, 0.1) * 1.05;
  const step = STEPS.find((each) => reach / each <= 3.2) ?? STEPS.at(-1);
  return { reach, step };
}

/** The scale's own marks. */
export function drawAxis(scale) {
  const svg = blank(26);
  svg.setAttribute("aria-hidden", "true");
  for (let i = -Math.floor(scale.reach / scale.step); i <= scale.reach / scale.step; i++) {
    const value = i * scale.step;
    const text = add(svg, "text", { x: across(value, scale), y: 12, class: "mark" });
    text.textContent = value === 0 ? "0" : `${value < 0 ? "−" : "+"}${Number(Math.abs(value).toFixed(2))}`;
    add(svg, "line", { x1: across(value, scale), x2: across(value, scale), y1: 18, y2: 26, class: "tick" });
  }
  return svg;
}

/** One row. */
export function drawInterval({ mean, low, high, finding, p }, scale) {
  const svg = blank(30);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `mean ${mean.toFixed(2)}, 95% interval ${low?.toFixed(2) ?? "?"} to ${high?.toFixed(2) ?? "?"}`);
  add(svg, "line", { x1: across(0, scale), x2: across(0, scale), y1: -2, y2: 32, class: "zero" });
  const kind = `${p !== null && p < 0.05 ? "clear" : ""} ${finding === "all" ? "whole" : ""}`;
  if (low !== null && high !== null) {
    add(svg, "line", { x1: across(low, scale), x2: across(high, scale), y1: 15, y2: 15, class: `span ${kind}` });
  }
  const x = across(mean, scale);
  if (finding === "all") add(svg, "path", { d: `M${x - 8},15 L${x},8 L${x + 8},15 L${x},22 Z`, class: `dot ${kind}` });
  else add(svg, "circle", { cx: x, cy: 15, r: 5, class: `dot ${kind}` });
  return svg;
}

function across(value, { reach }) {
  return WIDTH / 2 + (value / reach) * (WIDTH / 2 - INSET);
}

function blank(height) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${height}`);
  svg.setAttribute("width", WIDTH);
  svg.setAttribute("height", height);
  return svg;
}

function add(parent, name, attributes) {
  const element = parent.appendChild(document.createElementNS(SVG, name));
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
