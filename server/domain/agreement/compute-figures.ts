/** @file Figures of many rankings on a thread of their own: they take seconds, in which the web process has others to answer. */
import path from "node:path";
import { Worker } from "node:worker_threads";
import { projectRoot } from "../../project-root";
import { describeAgreement, rankByDisagreement } from "./agreement-figures";

export const figureJobs = { report: describeAgreement, hardest: rankByDisagreement } as const;
export type FigureJob = keyof typeof figureJobs;
type Input<J extends FigureJob> = Parameters<(typeof figureJobs)[J]>[0];
type Output<J extends FigureJob> = ReturnType<(typeof figureJobs)[J]>;

/** Fewer are done before a thread has started. */
const fewestForThread = 200;

export async function computeFigures<J extends FigureJob>(job: J, input: Input<J>): Promise<Output<J>> {
  if (input.first.length >= fewestForThread) return computeOnThread(job, input);
  // The table's key is the job's own: the compiler cannot carry that through an index.
  return (figureJobs[job] as (own: Input<J>) => Output<J>)(input);
}

/** @throws what the job throws; an Error when the thread ends without an answer */
export function computeOnThread<J extends FigureJob>(job: J, input: Input<J>): Promise<Output<J>> {
  const entry = path.join(projectRoot, "dist", "agreement.js");
  return new Promise((resolve, reject) => {
    const thread = new Worker(/* turbopackIgnore: true */ entry, { workerData: { job, input } });
    thread.once("message", resolve);
    thread.once("error", reject);
    thread.once("exit", (code) =>
      reject(new Error(`The thread of the ${job} figures ended with code ${code}.`)),
    );
  });
}
