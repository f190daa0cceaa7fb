/** @file A failed answer in words for the person who waits for it: what happened, and what to do. */
import { isAppError } from "../errors";
import type { EngineCrashed, EngineRefused } from "./engine-process";

/** Errors of model/ whose message is made of facts about the request, and helps the person who made it. */
const tellableErrors = new Set(["PromptTooLongError", "ChatTemplateError"]);

/** Never the text of an unknown error. Goes by name: the error may come from the other bundle of this process. */
export function explainFailure(error: unknown): string {
  if (isAppError(error)) return error.message;
  if (isNamed<EngineCrashed>(error, "EngineCrashed")) {
    return "The model process stopped unexpectedly and is being started again. The text so far is kept: try again in a few seconds.";
  }
  if (isNamed<EngineRefused>(error, "EngineRefused") && tellableErrors.has(error.reason.name)) {
    return error.reason.message;
  }
  return "The answer could not be made because of an error in the server. Try again; the server's log holds the details.";
}

function isNamed<E extends Error>(error: unknown, name: E["name"]): error is E {
  return error instanceof Error && error.name === name;
}
