// The API of the server that this page came from.

export const ROOT = '/api/v1';

/** The server answered, and not with what was asked for; the message is its own. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly body: unknown = null,
  ) {
    super(message);
  }
}

/** Encodes the parts of a path: names are chosen by people, and one may have a slash in it. */
export function path(...parts: string[]): string {
  return '/' + parts.map(encodeURIComponent).join('/');
}

async function answer<T>(response: Response): Promise<T> {
  const text = await response.text();
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new ApiError(response.status, response.ok ? 'The answer is no JSON.' : text.trim() || response.statusText);
  }
  if (response.ok) return body as T;
  const message = (body as { error?: unknown } | null)?.error;
  throw new ApiError(response.status, typeof message === 'string' ? message : response.statusText, body);
}

const TIMEOUT = 10_000;

export async function get<T>(where: string, timeout: number = TIMEOUT): Promise<T> {
  // Weir itself says that nothing of this is to be stored; said here, it would be asked twice what index.html preloads.
  return answer(await fetch(ROOT + where, { signal: AbortSignal.timeout(timeout) }));
}

export async function post<T>(where: string, body: object = {}, timeout: number = TIMEOUT): Promise<T> {
  return answer(
    await fetch(ROOT + where, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeout),
    }),
  );
}
