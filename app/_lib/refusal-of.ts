/** @file Why a plain route refused a request, in the server's words. */

/** The message is for people. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
}

export async function refusalOf(response: Response): Promise<RefusedError> {
  const body: unknown = await response.json().catch(() => null);
  const message = body instanceof Object && "message" in body ? body.message : null;
  return new RefusedError(typeof message === "string" ? message : `The server answered ${response.status}.`);
}
