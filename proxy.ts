/** @file Runs before every page: a fresh nonce, and a content security policy that lets nothing else run. */
import { type NextRequest, NextResponse } from "next/server";

/** Pages only: bodies that pass here are cut at 10 MB, so uploads, streams and all other API routes stay outside. */
export const config = {
  matcher: ["/((?!api/|v1/|healthz$|metrics$|_next/static/|_next/image|favicon.ico|icon.svg).*)"],
};

export function proxy(request: NextRequest): NextResponse {
  const nonce = Buffer.from(crypto.getRandomValues(new Uint8Array(18))).toString("base64");
  const policy = contentSecurityPolicy(nonce, process.env.NODE_ENV === "development");
  // Next reads the nonce for its own scripts from the request's policy; pages read it from x-nonce.
  const requestHeaders = new Headers(request.headers);
  requestHeaders.set("x-nonce", nonce);
  // Where to come back to after signing in; a server component does not know its own address.
  requestHeaders.set("x-path", request.nextUrl.pathname + request.nextUrl.search);
  requestHeaders.set("content-security-policy", policy);
  const response = NextResponse.next({ request: { headers: requestHeaders } });
  response.headers.set("content-security-policy", policy);
  if (process.env.ATTUNE_URL?.startsWith("https://")) {
    response.headers.set("strict-transport-security", "max-age=31536000");
  }
  return response;
}

function contentSecurityPolicy(nonce: string, isDevelopment: boolean): string {
  const directives: Record<string, string> = {
    "default-src": "'self'",
    // strict-dynamic: what a nonced script loads may run, whatever its address; nothing else may.
    "script-src": `'nonce-${nonce}' 'strict-dynamic'${isDevelopment ? " 'unsafe-eval'" : ""}`,
    // The development server writes styles into the page; a nonce would switch 'unsafe-inline' off again.
    "style-src": isDevelopment ? "'self' 'unsafe-inline'" : `'self' 'nonce-${nonce}'`,
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "worker-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
  };
  return Object.entries(directives)
    .map(([name, value]) => `${name} ${value}`)
    .join("; ");
}
