/** @file Where to go after signing in: only ever a page of ours, whatever the address bar was made to say. */

export function parseNextPath(next: string | string[] | undefined): string {
  if (typeof next !== "string" || !next.startsWith("/")) return "/";
  // "//elsewhere" and "/\elsewhere" are other sites to a browser.
  const url = new URL(next, "http://here.invalid");
  return url.host === "here.invalid" ? url.pathname + url.search : "/";
}
