/** @file A real engine process around the fake policy; tests compile it themselves, the product knows nothing of it. */
import { runEngine } from "@/server/generation/run-engine";
import { loadFakeGenerator } from "./fake-generator";

runEngine(loadFakeGenerator);
