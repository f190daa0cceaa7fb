/** @file Next.js configuration. Native and worker-using packages stay outside the bundle; the content security policy lives in proxy.ts. */

/** @type {import("next").NextConfig} */
const config = {
  poweredByHeader: false,
  // `npm run types` checks the whole project; a first start need not do it again.
  typescript: { ignoreBuildErrors: true },
  rewrites: async () => [
    { source: "/healthz", destination: "/api/healthz" },
    { source: "/metrics", destination: "/api/metrics" },
    { source: "/v1/:path*", destination: "/api/v1/:path*" },
  ],
  headers: async () => [
    { source: "/:path*", headers: toList(everywhere) },
    // What an API route answers is never a page.
    {
      source: "/api/:path*",
      headers: toList({ "content-security-policy": "default-src 'none'; frame-ancestors 'none'" }),
    },
  ],
  serverExternalPackages: [
    "@electric-sql/pglite",
    "pg",
    "onnxruntime-node",
    "pino",
    "prom-client",
    "better-auth",
  ],
};

const everywhere = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
};

/** @param {Record<string, string>} headers */
function toList(headers) {
  return Object.entries(headers).map(([key, value]) => ({ key, value }));
}

export default config;
