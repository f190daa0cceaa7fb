/** @file Before the e2e tier: .next/ holds what the sources say. */
import { buildPages } from "../../bin/setup/build-pages.mjs";

export default async function setup(): Promise<void> {
  await buildPages();
}
