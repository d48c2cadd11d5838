// Elements and numbers as this page writes them.

export const byId = (id) => document.getElementById(id);

/** An element with properties and children; `class` and `data-` as attributes. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") made.className = value;
    else if (key.includes("-") || key === "role" || key === "scope") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

export const two = (number) => (Number.isFinite(number) ? number.toFixed(2) : "–");

/** A λ, with as many digits as tell it from its neighbours: it may be thousands or thousandths. */
export function sayLambda(value) {
  const size = Math.abs(value);
  const words = size === 0 ? "0" : size >= 100 ? value.toFixed(0) : size >= 1 ? value.toFixed(1) : value.toPrecision(2);
  return words.replace("-", "−");
}

export function signed(number) {
  const size = Math.abs(number).toFixed(2);
  return size === "0.00" ? size : (number < 0 ? "−" : "+") + size;
}

export const plainName = (kind) => (kind[0].toUpperCase() + kind.slice(1)).replaceAll("-", " ");
