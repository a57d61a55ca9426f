/** HTTP to the server: one token, one shape of errors. */

const TOKEN_KEY = "lightmill-token";

/** An error that the server explained, or that it could not be reached. */
export class ApiError extends Error {
  /** @param {number} status @param {{code?: string, message?: string, fields?: {field: string, message: string}[]}} error */
  constructor(status, error) {
    super(error.message ?? `The server answered ${status}.`);
    this.status = status;
    this.code = error.code ?? "unknown";
    this.fields = error.fields ?? [];
  }
}

/** Take `?token=` out of the address bar and remember it for this tab. */
export function adoptToken() {
  const url = new URL(location.href);
  const token = url.searchParams.get("token");
  if (token === null) return;
  sessionStorage.setItem(TOKEN_KEY, token);
  url.searchParams.delete("token");
  history.replaceState(null, "", url);
}

/** @returns {string|null} */
export function token() {
  return sessionStorage.getItem(TOKEN_KEY);
}

/** @param {string} path @param {RequestInit} [options] @returns {Promise<Response>} */
export async function request(path, options = {}) {
  const headers = new Headers(options.headers);
  const bearer = token();
  if (bearer) headers.set("Authorization", `Bearer ${bearer}`);
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new ApiError(0, { code: "unreachable", message: "The server does not answer." });
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new ApiError(response.status, body.error ?? {});
}

/** @param {string} path */
export async function getJson(path) {
  return (await request(path)).json();
}

/** @param {string} path @param {unknown} body */
export async function postJson(path, body) {
  const response = await request(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return response.json();
}
