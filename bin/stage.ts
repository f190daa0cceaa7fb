/** @file The stage process: trains, and talks to the worker that forked it. */
import { runStageProcess } from "./training/run-stage";

runStageProcess();
