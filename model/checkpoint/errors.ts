/** @file What can be wrong with a model on disk: errors built from facts, each with what to do about it. */

/** The model is well-formed but outside what Attune runs. */
export class UnsupportedModelError extends Error {
  override readonly name = "UnsupportedModelError";
  constructor(
    readonly found: string,
    readonly supported: string,
  ) {
    super(`This model is not supported: found ${found}; supported: ${supported}.`);
  }
}

/** A file is truncated, damaged or hostile. Nothing was read past the point that is named. */
export class CorruptFileError extends Error {
  override readonly name = "CorruptFileError";
  constructor(
    readonly file: string,
    readonly fact: string,
    options?: ErrorOptions,
  ) {
    super(`${file} is damaged: ${fact}. Fetch or import the model again.`, options);
  }
}

/** A file of a checkpoint is not the one its manifest was written for. */
export class ChecksumError extends Error {
  override readonly name = "ChecksumError";
  constructor(
    readonly file: string,
    readonly expected: string,
    readonly actual: string,
  ) {
    super(
      `${file} differs from its attune.json: ${actual} instead of ${expected}. ` +
        "It was changed or damaged after it was written; fetch or import the model again.",
    );
  }
}

/** A path does not hold what was asked for. */
export class NotAModelError extends Error {
  override readonly name = "NotAModelError";
  constructor(
    readonly source: string,
    readonly fact: string,
    readonly remedy: string,
    options?: ErrorOptions,
  ) {
    super(`${source}: ${fact}. ${remedy}`, options);
  }
}

/** The disk is full. What was being written is gone; nothing else was touched. */
export class DiskFullError extends Error {
  override readonly name = "DiskFullError";
  constructor(
    readonly folder: string,
    options?: ErrorOptions,
  ) {
    super(
      `The disk of ${folder} is full, and the checkpoint was not written. Free some space and try again; ` +
        "weights take two bytes each.",
      options,
    );
  }
}

/** No space, or none left in the quota. */
export function isDiskFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && ["ENOSPC", "EDQUOT"].includes(String(error.code));
}
