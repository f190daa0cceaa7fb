/** @file Next.js configuration. Native and worker-using packages stay outside the bundle; headers live in proxy.ts. */

/** @type {import("next").NextConfig} */
const config = {
  poweredByHeader: false,
  serverExternalPackages: [
    "@electric-sql/pglite",
    "pg",
    "onnxruntime-node",
    "pino",
    "prom-client",
    "better-auth",
  ],
};

export default config;
