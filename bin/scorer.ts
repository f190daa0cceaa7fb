/** @file The scoring process: one loaded reward model, spoken to over IPC by the web process that forked it. */
import { openRewardModel } from "@/server/scoring/open-reward-model";
import { runScorer } from "@/server/scoring/run-scorer";

runScorer(openRewardModel);
