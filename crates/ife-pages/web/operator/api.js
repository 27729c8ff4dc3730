// The bridge's API. The token, where one is needed, lives in this tab's session storage and travels
// in the Authorization header only.

import { Parser } from "./sse.js";

const KEY = "if-escalate-token";

/** The tab's token. */
export const token = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  clear: () => sessionStorage.removeItem(KEY),
};

/** A request that was not done; `message` is for a person. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(
      problem?.detail ||
        problem?.title ||
        (status ? `The bridge answered ${status}.` : "The bridge cannot be reached."),
    );
    this.status = status;
    this.code = problem?.code;
  }
}

async function request(path, options = {}) {
  const headers = { Accept: "application/json", ...options.headers };
  if (token.get()) headers.Authorization = `Bearer ${token.get()}`;
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  let response;
  try {
    response = await fetch(path, {
      method: options.method,
      headers,
      body,
      signal: options.signal,
      cache: "no-store",
      credentials: "same-origin",
      redirect: "error",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0);
  }
  return response;
}

/** The answer as JSON; `accept` lists further statuses that are answers. */
export async function ask(path, options = {}) {
  const response = await request(path, options);
  const answer = response.status === 204 ? null : await response.json().catch(() => null);
  if (response.ok || options.accept?.includes(response.status)) return answer;
  throw new ApiError(response.status, answer);
}

/** The answer as a file's bytes. */
export async function fetchFile(path) {
  const response = await request(path, { headers: { Accept: "*/*" } });
  if (!response.ok) throw new ApiError(response.status, await response.json().catch(() => null));
  return response.blob();
}

/** Live events until the stream ends; `opened` is called when it has begun. */
export async function events(each, opened, signal) {
  const response = await request("/v1/events", {
    headers: { Accept: "text/event-stream" },
    signal,
  });
  if (!response.ok) throw new ApiError(response.status, null);
  opened();
  const parser = new Parser();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    for (const { event, data } of parser.push(value)) each(event, JSON.parse(data));
  }
}
