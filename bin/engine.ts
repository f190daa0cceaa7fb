/** @file The engine process: one loaded policy, spoken to over IPC by the web process that forked it. */
import { loadGenerator } from "@/model/runtime/generator";
import { runEngine } from "@/server/generation/run-engine";

runEngine(loadGenerator);
