/** @file How a command fails: one message with fact and remedy, and an exit code that scripts can read. */
import { AdapterError } from "@/model/checkpoint/adapter-config";
import { CorruptFileError, NotAModelError, UnsupportedModelError } from "@/model/checkpoint/errors";
import { BaseMissingError } from "@/model/checkpoint/lineage-base";
import { NotARewardModelError } from "@/model/checkpoint/reward-weights";
import { DataFileError } from "@/model/data/read-lines";
import { UnfitTemplateError } from "@/model/data/render-group";
import { EvalReportError } from "@/model/eval/eval-report";
import { UnusableScoreError } from "@/model/eval/reward/score-rankings";
import { SuiteError } from "@/model/eval/suites/suite";
import { UnsupportedTokenizerError } from "@/model/tokenizer/tokenizer-definition";
import { ConfigError } from "@/model/train/run-config";
import { BackupError } from "@/server/db/backup";
import { DataFolderLockedError } from "@/server/db/data-folder-lock";
import { DatabaseVersionError } from "@/server/db/migrate-database";
import { DatabaseUnavailableError } from "@/server/db/open-database";
import { EnvironmentError } from "@/server/env";
import { AppError } from "@/server/errors";
import { ModelSourceError, SourceUnavailableError } from "@/server/models/model-report";

/** A refusal of the command line itself. 1: it could not be done. 2: it was not asked for properly. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
  constructor(
    message: string,
    readonly exitCode: 1 | 2 = 1,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Errors whose message is written for people; of any other the stack is worth more. */
const plainErrors = [
  CommandFailure,
  AdapterError,
  BaseMissingError,
  ConfigError,
  DataFileError,
  EvalReportError,
  SuiteError,
  ModelSourceError,
  SourceUnavailableError,
  UnsupportedModelError,
  CorruptFileError,
  NotAModelError,
  NotARewardModelError,
  UnfitTemplateError,
  UnusableScoreError,
  UnsupportedTokenizerError,
  EnvironmentError,
  AppError,
  BackupError,
  DataFolderLockedError,
  DatabaseVersionError,
  DatabaseUnavailableError,
];

/** Says what went wrong on the error stream. @returns the exit code */
export function explainFailure(error: unknown): number {
  if (error instanceof Error && error.name === "AbortError") return 130;
  const isPlain = plainErrors.some((known) => error instanceof known);
  const text = error instanceof Error ? (isPlain ? error.message : error.stack) : String(error);
  process.stderr.write(`✖ ${text}\n`);
  return error instanceof CommandFailure ? error.exitCode : 1;
}
