/** @file The thread on which agreement figures are made: one job as its data, one answer, and it ends. */
import { parentPort, workerData } from "node:worker_threads";
import { type FigureJob, figureJobs } from "@/server/domain/agreement/compute-figures";

// Posted by computeFigures alone, which ties each job to its input.
const { job, input } = workerData as { job: FigureJob; input: never };
parentPort?.postMessage(figureJobs[job](input));
