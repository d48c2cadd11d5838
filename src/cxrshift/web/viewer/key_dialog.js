// Asks for a key where the service wants one. It lives in this page's memory alone.

import { byId } from "./words.js";

export function settleKeyDialog(service, session, begin) {
  const ask = () => {
    if (!byId("key-dialog").open) byId("key-dialog").showModal();
  };
  byId("key-button").addEventListener("click", ask);
  session.addEventListener("problem", () => {
    const code = session.problem?.code;
    if (code !== "UNAUTHENTICATED" && code !== "FORBIDDEN") return;
    byId("key-button").hidden = false;
    byId("key-words").textContent = service.key ? session.problem.message : "Paste your API key or token. It is kept until this page is closed.";
    ask();
  });
  byId("key-dialog").addEventListener("close", async () => {
    if (byId("key-dialog").returnValue !== "use") return;
    service.key = byId("key").value.trim();
    byId("key").value = "";
    if (session.models.length) await session.start();
    else await begin();
  });
}
