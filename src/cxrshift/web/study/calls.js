// Calls to the study's server.

/** A refusal: `status` of HTTP, or 0 where no server answered; its message is for the person. */
export class CallError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The answer's JSON, or null where it has none. Throws CallError. */
export async function call(method, path, body, { keepalive = false } = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      keepalive,
      headers: body === undefined ? {} : { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new CallError(0, "The study's server does not answer.");
  }
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const told = await answer.json().catch(() => ({}));
  throw new CallError(answer.status, told.detail ?? `The study's server answered ${answer.status}.`);
}
