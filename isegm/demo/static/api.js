// Requests to the server. Whatever goes wrong becomes an ApiError with a message for people and a code for programs.

export class ApiError extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

async function answered(promise) {
  let response;
  try {
    response = await promise;
  } catch {
    throw new ApiError("The server cannot be reached.", "unreachable");
  }
  if (response.ok) return response;
  const told = await response.json().catch(() => ({}));
  throw new ApiError(told.error ?? `The server answered with status ${response.status}.`, told.code ?? "unknown");
}

export async function get(path) {
  return (await answered(fetch(path))).json();
}

export async function getBlob(path) {
  return (await answered(fetch(path))).blob();
}

/** A file to save: `{ blob, name }`. */
export async function getFile(path) {
  const response = await answered(fetch(path));
  const name = /filename="(.+)"/.exec(response.headers.get("content-disposition"))?.[1] ?? "mask.png";
  return { blob: await response.blob(), name };
}

/** Where the small version of the picture with this number is. */
export const thumbnail = (index) => `/api/pictures/${index}.jpg`;

/** Say that a session is over, also while the page is being closed. */
export const leave = (path) => navigator.sendBeacon(path);

export async function send(method, path, body) {
  const options = { method };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "content-type": "application/json" };
  }
  return (await answered(fetch(path, options))).json();
}

const FORM = 64 << 10; // bytes that the form around a file may take
const MIB = 1 << 20;
export const limits = { upload: Infinity }; // bytes of a request, once the server has told

/** Send a file as a form field; `onProgress` receives the share that has been sent. */
export async function upload(path, field, file, onProgress = () => {}) {
  if (file.size > limits.upload - FORM) { // the server would break off, which the browser takes for a failing network
    const most = `at most ${Math.floor((limits.upload - FORM) / MIB)} MiB are accepted`;
    throw new ApiError(`${file.name} has ${Math.ceil(file.size / MIB)} MiB; ${most}.`, "too_large");
  }
  return new Promise((resolve, reject) => {
    const form = new FormData();
    form.append(field, file, file.name || field);
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onload = () => {
      const told = request.response ?? {};
      if (request.status >= 200 && request.status < 300) resolve(told);
      else reject(new ApiError(told.error ?? `The server answered with status ${request.status}.`, told.code ?? "unknown"));
    };
    request.onerror = () => reject(new ApiError("The server cannot be reached, or it refused the file.", "unreachable"));
    request.send(form);
  });
}
