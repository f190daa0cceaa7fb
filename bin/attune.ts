/** @file The command line. Each group of commands is a file in bin/cli/; run it with `npx attune --help`. */
import { Command, CommanderError } from "commander";
import { addAuditCommands } from "./cli/audit";
import { addBackupCommands } from "./cli/backup";
import { addChatCommand } from "./cli/chat";
import { addEvalCommand } from "./cli/eval";
import { explainFailure } from "./cli/failure";
import { addGcCommand } from "./cli/gc";
import { addGenerateCommand } from "./cli/generate";
import { addModelsCommands } from "./cli/models";
import { addRankingsCommands } from "./cli/rankings";
import { addRunCommands } from "./cli/run";
import { addScoreCommand } from "./cli/score";
import { addTrainCommands } from "./cli/train";
import { addUserCommands } from "./cli/user";
import { addWorkerCommand } from "./cli/worker";

const program = new Command("attune")
  .description("A self-hosted chat assistant that learns from the people who use it.")
  .showHelpAfterError("(--help shows how it is used)")
  .addHelpText("after", "\nStart the server with `npm start`. Settings: .env.example.")
  .exitOverride();

addChatCommand(program);
addGenerateCommand(program);
addModelsCommands(program);
addTrainCommands(program);
addScoreCommand(program);
addEvalCommand(program);
addRunCommands(program);
addRankingsCommands(program);
addWorkerCommand(program);
addGcCommand(program);
addUserCommands(program);
addBackupCommands(program);
addAuditCommands(program);

try {
  await program.parseAsync();
} catch (error) {
  // Commander has said what it had to say already: help, version, or what is wrong with the arguments.
  process.exitCode = error instanceof CommanderError ? (error.exitCode === 0 ? 0 : 2) : explainFailure(error);
}
