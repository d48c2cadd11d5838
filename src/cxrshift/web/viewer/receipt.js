// What made the shown explanation: enough to repeat it.

import { byId, element, sayLambda } from "./words.js";

export function settleReceipt(session) {
  const tell = () => {
    const explanation = session.shown;
    byId("receipt").replaceChildren(
      explanation ? listOf(explanation) : element("p", { class: "muted" }, "Comes with the explanation."),
    );
  };
  for (const event of ["shown", "opened"]) session.addEventListener(event, tell);
  tell();
}

function listOf({ receipt, lambdas, heatmap_kind: heatmap }) {
  const rows = [
    ["Model", `${receipt.model} ${receipt.model_version}`],
    ["Runtime", `${receipt.runtime}, ${receipt.precision}`],
    ["Software", receipt.software],
    ["Preprocessing", receipt.preprocessing],
    ["Search", receipt.options.profile],
    ["λ", `${sayLambda(lambdas[0])} to ${sayLambda(lambdas.at(-1))} in ${lambdas.length} frames`],
    ["Heatmap", heatmap],
    ...receipt.files.map(({ name, sha256 }) => [name, `SHA-256 ${sha256}`]),
  ];
  return element("dl", { class: "receipt" }, ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}
