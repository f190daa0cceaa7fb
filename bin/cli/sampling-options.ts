/** @file Sampling flags, read by the schema that bounds them everywhere else. */
import { type Command, InvalidArgumentError } from "commander";
import type { Sampling } from "@/model/runtime/types";
import { resolveSampling, samplingOverridesSchema } from "@/server/domain/sampling";

const fields = samplingOverridesSchema.shape;

/** Parses one flag's number and refuses what the schema refuses, with its words. */
const numberFor =
  (field: "temperature" | "topK" | "topP" | "minP" | "repetitionPenalty" | "maxTokens" | "seed") =>
  (text: string): number => {
    const parsed = fields[field].safeParse(Number(text));
    if (!parsed.success) throw new InvalidArgumentError(parsed.error.issues[0]?.message ?? "not a number");
    return Number(parsed.data);
  };

export function addSamplingOptions(command: Command): Command {
  return command
    .option("--temperature <number>", "0 takes the most likely token each time", numberFor("temperature"))
    .option("--top-k <count>", "only the k most likely tokens; 0 is off", numberFor("topK"))
    .option("--top-p <share>", "only the most likely tokens up to this share; 1 is off", numberFor("topP"))
    .option("--min-p <share>", "only tokens this likely against the most likely; 0 is off", numberFor("minP"))
    .option("--repetition-penalty <factor>", "above 1 discourages repetition", numberFor("repetitionPenalty"))
    .option("--max-tokens <count>", "longest answer", numberFor("maxTokens"))
    .option("--stop <text...>", "the answer ends before any of these")
    .option("--seed <number>", "same seed, same text", numberFor("seed"));
}

/** @param flags as commander parsed them; other flags are ignored */
export function samplingOf(flags: Record<string, unknown>): Sampling {
  return resolveSampling({}, samplingOverridesSchema.parse(flags));
}
