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

export async function send(method, path, body) {
  const options = { method };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "content-type": "application/json" };
  }
  return (await answered(fetch(path, options))).json();
}

/** Send a file as a form field; `onProgress` is told the share that has been sent. */
export function upload(path, field, file, onProgress = () => {}) {
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
