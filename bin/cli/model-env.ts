/** @file What the model commands read of the environment. */
import path from "node:path";
import type { ModelEnv } from "@/server/models/model-report";
import { projectRoot } from "@/server/project-root";

export function modelEnv(): ModelEnv {
  const { ATTUNE_DATA, ATTUNE_MODEL, HF_ENDPOINT, HF_TOKEN } = process.env;
  return {
    ATTUNE_DATA: path.resolve(projectRoot, ATTUNE_DATA || "data"),
    ATTUNE_MODEL,
    HF_ENDPOINT,
    HF_TOKEN,
  };
}
