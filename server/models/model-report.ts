/** @file How the search for a model tells what it does: lines that stay, and a short state that is replaced. */

export type ModelReport = {
  /** One line per source that was tried, and its outcome. */
  say(line: string): void;
  /** "43 of 93 MB" */
  progress(state: string): void;
};

/** What the search reads of the environment; see server/env.ts. */
export type ModelEnv = {
  ATTUNE_DATA: string;
  /** Checkpoint or Hugging Face folder, GGUF file, or hub id. */
  ATTUNE_MODEL?: string | undefined;
  HF_ENDPOINT?: string | undefined;
  HF_TOKEN?: string | undefined;
};

/** A source that holds the model asked for could not give it. The message carries fact and remedy. */
export class ModelSourceError extends Error {
  override readonly name = "ModelSourceError";
}

/** A source that this machine does not reach or have: the next one is tried. */
export class SourceUnavailableError extends Error {
  override readonly name = "SourceUnavailableError";
}

export const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(bytes < 10e6 ? 1 : 0);
