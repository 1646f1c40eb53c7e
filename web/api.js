// The one way to the API and to the control routes: tokens, problems, network errors.

const SESSION = "notes-session";

/** An answer that is no success, or no answer at all (`status` 0). */
export class ApiError extends Error {
  constructor(status, message, errors = []) {
    super(message);
    this.status = status;
    /** `{field, message}` of each wrong field. */
    this.errors = errors;
  }
}

let session = JSON.parse(sessionStorage.getItem(SESSION) ?? "null");

/** `{name, email, token}` of who is signed in, or `null`. */
export const currentSession = () => session;

export async function signIn(name, email) {
  const query = new URLSearchParams({ sub: name });
  if (email) query.set("email", email);
  const { access_token: token } = await control("GET", `token?${query}`);
  session = { name, email, token };
  sessionStorage.setItem(SESSION, JSON.stringify(session));
}

export function signOut() {
  session = null;
  sessionStorage.removeItem(SESSION);
}

/** Calls the notes API as who is signed in; gives `{status, body, headers}`. */
export async function api(method, path, { body, headers = {}, signal } = {}) {
  const send = () => exchange(method, path, { body, signal, headers: { ...headers, authorization: `Bearer ${session.token}` } });
  try {
    return await send();
  } catch (error) {
    if (error.status !== 401 || !session) throw error;
    // Moving the clock lets tokens expire; whoever is signed in stays so.
    await signIn(session.name, session.email);
    return send();
  }
}

/** Calls a control route; gives the body. */
export async function control(method, path, body) {
  return (await exchange(method, `/_local/${path}`, { body, headers: { accept: "application/json" } })).body;
}

async function exchange(method, path, { body, headers, signal }) {
  const options = { method, headers: { ...headers }, signal };
  if (body !== undefined) {
    options.headers["content-type"] ??= "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  let text;
  try {
    response = await fetch(path, options);
    text = await response.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The host does not answer. Is it still running?");
  }
  const value = parse(text);
  if (!response.ok) throw problem(method, path, response, value);
  return { status: response.status, body: value, headers: response.headers };
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Reads a problem document (RFC 9457), or the plain `message` of the gateway and the control routes. */
function problem(method, path, response, value) {
  const errors = Array.isArray(value?.errors) ? value.errors : [];
  const said = [value?.title, value?.detail].filter(Boolean).join(": ") || value?.message;
  const where = `${method} ${path.split("?")[0]}`;
  return new ApiError(response.status, said || `${where} was answered with ${response.status} ${response.statusText}`.trim(), errors);
}
