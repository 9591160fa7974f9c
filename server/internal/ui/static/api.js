// Calls to the server that the page came from.

const base = new URL('../', document.baseURI);
const KEY = 'simplane-token';

/** auth fires "needed" when a call is answered with 401. */
export const auth = new EventTarget();

// sessionStorage: the token goes when the tab does.
let token = '';
try {
  token = sessionStorage.getItem(KEY) ?? '';
} catch { /* storage is switched off */ }

export const hasToken = () => token !== '';

export function setToken(value) {
  token = value;
  try {
    if (value) sessionStorage.setItem(KEY, value);
    else sessionStorage.removeItem(KEY);
  } catch { /* it lasts as long as the page */ }
}

/** ApiError is an answer that is not a success; details are "field: what". */
export class ApiError extends Error {
  constructor(status, code, message, details = []) {
    super(message);
    Object.assign(this, {status, code, details});
  }

  get text() {
    const what = this.details.length > 0 ? this.details.join('; ') : this.message;
    return `${what} (${this.code})`;
  }
}

async function answerOf(method, path, {body, headers = {}, signal} = {}) {
  const all = {...headers};
  if (body !== undefined) all['Content-Type'] = 'application/json';
  if (token) all.Authorization = 'Bearer ' + token;
  let answer;
  try {
    answer = await fetch(new URL(path, base), {method, body, headers: all, signal, cache: 'no-store', credentials: 'omit'});
  } catch (err) {
    if (err.name === 'AbortError') throw err;
    throw new ApiError(0, 'UNREACHABLE', 'the server does not answer');
  }
  if (answer.ok) return answer;
  const text = await answer.text();
  if (answer.status === 401) auth.dispatchEvent(new Event('needed'));
  let error;
  try {
    error = JSON.parse(text);
  } catch { /* not simplane's answer */ }
  throw new ApiError(answer.status, error?.error ?? 'HTTP_' + answer.status, error?.message ?? answer.statusText,
    Array.isArray(error?.details) ? error.details : []);
}

const send = async (method, path, options) => (await answerOf(method, path, options)).text();

/** file sends a request whose answer is a file: its content, and the server's name for it. */
export async function file(method, path) {
  const answer = await answerOf(method, path);
  const name = /filename="([\w.-]+)"/.exec(answer.headers.get('Content-Disposition') ?? '')?.[1];
  return {blob: await answer.blob(), name};
}

// Integers that a JavaScript number cannot hold are kept as they were written.
const exact = JSON.rawJSON && ((key, value, context) =>
  Number.isInteger(value) && !Number.isSafeInteger(value) ? JSON.rawJSON(context.source) : value);

/** call sends a request and parses the answer. */
export async function call(method, path, options) {
  const text = await send(method, path, options);
  return text === '' ? null : JSON.parse(text, exact);
}

/** getText gets an answer that is no JSON. */
export const getText = (path, options) => send('GET', path, options);

/** allStats reads the figures of all functions, or of the first 10,000. */
export async function allStats() {
  const all = {functions: {}};
  let next = '';
  for (let page = 0; page < 10; page++) {
    const wanted = new URLSearchParams({limit: 1000});
    if (next) wanted.set('cursor', next);
    const {functions, ...rest} = await get('v1/admin/stats?' + wanted);
    Object.assign(all.functions, functions);
    Object.assign(all, {nextCursor: ''}, rest);
    next = all.nextCursor;
    if (!next) break;
  }
  return all;
}

export const get = (path, options) => call('GET', path, options);
export const fn = name => 'v1/functions/' + encodeURIComponent(name);
