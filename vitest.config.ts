/** @file Test tiers, fastest first: see tests/README.md. */
import path from "node:path";
import { defineConfig } from "vitest/config";

const alias = { "@": path.resolve(import.meta.dirname) };
const tier = (
  name: string,
  timeoutSeconds: number,
  { globalSetup = [], setupFiles = [] }: { globalSetup?: string[]; setupFiles?: string[] } = {},
) => ({
  resolve: { alias },
  test: {
    name,
    globalSetup,
    setupFiles,
    include: [`tests/${name}/**/*.test.{ts,tsx}`],
    testTimeout: timeoutSeconds * 1000,
    hookTimeout: timeoutSeconds * 1000,
    // The default of one second is too short for a page on a busy machine.
    expect: { poll: { timeout: timeoutSeconds * 100 } },
    pool: "forks" as const,
    env: { LOG_LEVEL: process.env.LOG_LEVEL ?? "silent" },
  },
});

export default defineConfig({
  test: {
    projects: [
      tier("unit", 10),
      tier("numeric", 60),
      tier("integration", 120, { globalSetup: ["tests/helpers/compile-processes.ts"] }),
      tier("e2e", 300, {
        globalSetup: ["tests/helpers/compile-processes.ts", "tests/helpers/build-pages.ts"],
        setupFiles: ["tests/helpers/describe-failure.ts"],
      }),
    ],
    maxWorkers: 2,
  },
});
