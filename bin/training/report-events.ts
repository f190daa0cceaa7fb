/** @file What a stage tells, as the protocol's events: steps done instead of step numbers, rows instead of files. */
import path from "node:path";
import type { SampleSource } from "@/model/train/sample-text";
import { listProblems } from "@/model/train/unfit-data";
import type { NewEvent } from "./event-outbox";
import type { StageEvent } from "./stage-messages";

const longest = { log: 16_000, sample: 32_000, incident: 4_000 };

/** Empty: nothing that is reported. */
export function toProtocolEvents(event: StageEvent): NewEvent[] {
  switch (event.type) {
    case "data": {
      const { training, validation, leftOut } = event;
      const counts = `${training} examples to train on, ${validation} held out, ${leftOut.length} left out.`;
      const text = [counts, ...(leftOut.length > 0 ? [listProblems(leftOut)] : [])].join("\n");
      return [{ type: "log", level: leftOut.length > 0 ? "warn" : "info", text: cut(text, "log") }];
    }
    case "note":
      return [{ type: "log", level: event.level, text: cut(event.text, "log") }];
    case "resumed":
      return [{ type: "log", level: "info", text: `Going on after step ${event.step}.`, step: event.step }];
    case "step": {
      const { loss, lr, gradientNorm, tokensPerSecond, epoch, tokensSeen, memoryMb, seconds } = event;
      const memoryBytes = Math.round(memoryMb * 2 ** 20);
      const phases = { gradientSeconds: seconds.gradient, updateSeconds: seconds.update };
      const values = { loss, lr, gradientNorm, tokensPerSecond, epoch, tokensSeen, memoryBytes, ...phases };
      return [{ type: "metrics", step: event.step + 1, values: finite(values) }];
    }
    case "skipped": {
      const step = event.step + 1;
      const why =
        event.reason === "spike"
          ? `its loss ${event.loss.toFixed(4)} is far above those before`
          : "its loss or gradient is not finite";
      return [
        { type: "metrics", step, values: finite({ loss: event.loss }) },
        { type: "incident", what: "nonFiniteStep", text: `Step ${step} was left out: ${why}.`, step },
      ];
    }
    case "evaluated": {
      const { type, step, ...evaluation } = event;
      return [{ type: "metrics", step, values: finite(evaluation) }];
    }
    case "sample": {
      const { step, prompt, response, source } = event;
      const text = { prompt: cut(prompt, "sample"), response: cut(response, "sample") };
      return [{ type: "sample", step, ...text, source: source && toRow(source) }];
    }
    case "phase": {
      const { step, name, seconds } = event;
      return [{ type: "phase", step, name, seconds }];
    }
    case "saved":
      // The server writes the checkpoint itself onto the timeline.
      return [];
  }
}

export const cut = (text: string, kind: keyof typeof longest): string => text.slice(0, longest[kind]);

/** JSON has no NaN. */
function finite(values: Readonly<Record<string, number | undefined>>): Record<string, number | null> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Number.isFinite(value) ? value : null]],
    ),
  );
}

/** A dataset's file is named by its id, and has a row on each line. */
function toRow({ file, line }: SampleSource): { datasetId: string; position: number } {
  return { datasetId: path.basename(file, ".jsonl"), position: line - 1 };
}
