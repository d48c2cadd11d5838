// The service's REST interface, as far as the viewer needs it. Paths are relative: the page may stand under a prefix.

/** What the service refused, or that it could not be reached, in words for people. */
export class ServiceProblem extends Error {
  constructor({ title = "The service failed", detail = "", code = "", status = 0, request_id: id = "", retry_after: wait } = {}) {
    super(detail || title);
    Object.assign(this, { title, detail, code, status, requestId: id, retryAfter: wait });
  }
}

const UNREACHABLE = {
  title: "The service can't be reached",
  detail: "It does not answer. Check that it runs and that the network is there, then try again.",
  code: "UNREACHABLE",
};
const CUT_OFF = {
  title: "The answer broke off",
  detail: "The service went away while it answered. Try again.",
  code: "UNREACHABLE",
};

export class Service {
  /** API key or token; empty where access is open. Never stored. */
  key = "";

  /** What this service offers: forms, samples, version. */
  async describe() {
    return (await this.#ask("web/viewer.json")).json();
  }

  async models(signal) {
    return (await (await this.#ask("v1/models", { signal })).json()).models;
  }

  async sample(file) {
    return (await this.#ask(`web/samples/${encodeURIComponent(file)}`)).blob();
  }

  /** Every finding's score. */
  async classify(image, { model, signal }) {
    const answer = await this.#ask("v1/classify", { query: { model }, body: image, signal });
    return (await answer.json()).scores;
  }

  /** Explain; calls `onEvent` with each event as it comes. Raises ServiceProblem. */
  async explain(image, { query, signal, onEvent }) {
    const answer = await this.#ask("v1/explain/stream", { query, body: image, signal });
    try {
      for await (const line of linesOf(answer.body)) {
        const event = JSON.parse(line);
        if (event.event === "problem") throw new ServiceProblem(event.problem);
        onEvent(event);
      }
    } catch (error) {
      throw error instanceof ServiceProblem || error.name === "AbortError" ? error : new ServiceProblem(CUT_OFF);
    }
  }

  /** The explanation in another form, as a Blob. */
  async render(image, { query, form }) {
    return (await this.#ask("v1/explain", { query, body: image, accept: form })).blob();
  }

  async #ask(path, { query = {}, body, accept, signal } = {}) {
    const parameters = new URLSearchParams(
      Object.entries(query).flatMap(([name, value]) => [value].flat().map((each) => [name, each])),
    );
    for (const [name, value] of [...parameters]) if (value === "") parameters.delete(name);
    const headers = {};
    if (accept) headers.accept = accept;
    if (this.key) headers.authorization = `Bearer ${this.key}`;
    let answer;
    try {
      answer = await fetch(parameters.size ? `${path}?${parameters}` : path, {
        method: body ? "POST" : "GET",
        body,
        headers,
        signal,
        cache: body ? "no-store" : "default",
        credentials: "omit",
      });
    } catch (error) {
      throw error.name === "AbortError" ? error : new ServiceProblem(UNREACHABLE);
    }
    if (answer.ok) return answer;
    throw new ServiceProblem(await problemOf(answer));
  }
}

/** The RFC 9457 problem of an answer; something before the service, such as a proxy, may have written another. */
async function problemOf(answer) {
  const plain = { title: `The service answered ${answer.status}`, detail: answer.statusText, status: answer.status };
  try {
    return { ...plain, ...(await answer.json()) };
  } catch {
    return plain;
  }
}

async function* linesOf(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let parts = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const [first, ...others] = value.split("\n");
    parts.push(first);
    for (const next of others) {
      yield parts.join("");
      parts = [next];
    }
  }
  if (parts.join("")) throw new Error("the last line is incomplete");
}
