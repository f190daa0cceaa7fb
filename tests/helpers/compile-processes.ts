/** @file Before the integration and e2e tiers: dist/ holds what the sources say, for tests that start real processes. */
import { buildProcesses } from "../../bin/build.mjs";

export default async function setup(): Promise<void> {
  try {
    await buildProcesses();
  } catch (error) {
    // Tests of other parts still run; those that start the broken process fail, for its output is gone.
    console.error("Some processes do not compile:\n", error instanceof Error ? error.message : error);
  }
}
