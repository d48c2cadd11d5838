// What both pages share: the bar at the top, the login, and which section is shown.

import { settleTheme } from "/web/common/theme.js";
import { call } from "./calls.js";

export const at = (id) => document.getElementById(id);

/** Show one section of the page, and put the focus where it begins. */
export function showSection(name) {
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== name;
  const start = name === "login" ? at("code") : document.querySelector(`#${name} h1`);
  start?.focus({ preventScroll: true });
  scrollTo(0, 0);
}

/** Say what is wrong above everything else; an empty text takes it away. */
export function showTrouble(text) {
  at("trouble").textContent = text;
  at("trouble").hidden = !text;
}

/** Make theme, login and logout work; `enter(role)` is called whenever somebody came in. */
export async function settleDoor(enter) {
  settleTheme(at("theme"));
  at("login-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = at("login-form").querySelector("button");
    at("login-fault").textContent = "";
    button.disabled = true;
    try {
      const { role } = await call("POST", "/api/login", { code: at("code").value });
      at("code").value = "";
      await enter(role);
    } catch (error) {
      at("login-fault").textContent = error.message;
      at("code").select();
    } finally {
      button.disabled = false;
    }
  });
  at("logout").addEventListener("click", async () => {
    try {
      await call("POST", "/api/logout", {});
      location.reload();
    } catch (error) {
      showTrouble(error.message);
    }
  });
  try {
    const { title, role } = await call("GET", "/api/session");
    at("title").textContent = title;
    document.title = title;
    if (role) await enter(role);
    else askForCode();
  } catch (error) {
    showTrouble(error.message);
  }
}

/** Show the login, with what led to it. */
export function askForCode(why = "") {
  at("logout").hidden = true;
  at("login-fault").textContent = why;
  showSection("login");
}
