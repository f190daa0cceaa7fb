/** @file The search for a model, told on the error stream: live on a terminal, or as lines for `npm start`. */
import { writeSync } from "node:fs";
import type { ModelReport } from "@/server/models/model-report";

/** @param form `lines` writes each progress as a line that begins with `~ ` */
export function terminalReport(form: "terminal" | "lines"): ModelReport {
  const isLive = form === "terminal" && process.stderr.isTTY;
  let toldAt = 0;
  return {
    say: (line) => write(`${isLive ? "\r\x1b[2K" : ""}${line}\n`),
    progress(state) {
      if (Date.now() - toldAt < 100) return;
      toldAt = Date.now();
      if (isLive) write(`\r\x1b[2K  ${state}`);
      else if (form === "lines") write(`~ ${state}\n`);
    },
  };
}

const write = (text: string): void => void writeSync(2, text);
