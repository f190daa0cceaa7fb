/** @file Signing in and out: two calls to the authentication routes. Everything else about accounts goes through procedures. */

/** @returns null when signed in, else why not, in words for the person */
export function signIn(email: string, password: string): Promise<string | null> {
  return post("/api/auth/sign-in/email", { email, password });
}

/** @returns null when signed out, else why not */
export function signOut(): Promise<string | null> {
  return post("/api/auth/sign-out", {});
}

async function post(path: string, body: Record<string, unknown>): Promise<string | null> {
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return response.ok ? null : await explain(response);
  } catch {
    return "The server cannot be reached. Check the connection and try again.";
  }
}

async function explain(response: Response): Promise<string> {
  if (response.status === 429) return "Too many attempts. Wait a minute, then try again.";
  const body: unknown = await response.json().catch(() => null);
  const hasMessage = typeof body === "object" && body && "message" in body;
  if (hasMessage && typeof body.message === "string" && body.message) return body.message;
  return "The server could not do this right now. Try again in a moment.";
}
