/** @file `attune generate --prompt …`: one response, for scripts. */
import fs from "node:fs/promises";
import type { Command } from "commander";
import type { ChatMessage, GenerationEvent } from "@/model/runtime/types";
import { CommandFailure } from "./failure";
import { interruptible } from "./interruptible";
import { addPolicyOptions, loadPolicy, type PolicyFlags } from "./load-policy";
import { addSamplingOptions, samplingOf } from "./sampling-options";

type Flags = PolicyFlags & { prompt: string; system?: string; json?: boolean };

export function addGenerateCommand(program: Command): void {
  const command = program
    .command("generate")
    .description("answer one prompt")
    .requiredOption("-p, --prompt <text>", "what to answer; - reads the standard input")
    .option("--system <text>", "system prompt")
    .option("--json", "the last line is {text, tokens, finishReason, checkpoint, seconds}");
  addSamplingOptions(addPolicyOptions(command)).action((flags: Flags) => generate(flags));
}

async function generate(flags: Flags): Promise<void> {
  const prompt = flags.prompt === "-" ? await fs.readFile("/dev/stdin", "utf8") : flags.prompt;
  if (prompt.trim() === "") throw new CommandFailure("The prompt is empty.", 2);
  const sampling = samplingOf(flags);
  const messages: ChatMessage[] = [{ role: "user", content: prompt }];
  if (flags.system) messages.unshift({ role: "system", content: flags.system });
  using stop = interruptible();
  await using policy = await loadPolicy(flags, stop.signal);
  const startedAt = performance.now();
  let text = "";
  let finished: Extract<GenerationEvent, { type: "finished" }> | null = null;
  for await (const event of policy.generate({ messages, sampling }, stop.signal)) {
    if (event.type === "finished") finished = event;
    if (event.type !== "token" && event.type !== "finished") continue;
    text += event.text;
    if (!flags.json) process.stdout.write(event.text);
  }
  if (!flags.json) {
    process.stdout.write("\n");
    return;
  }
  const result = {
    text,
    tokens: finished?.completionTokens ?? 0,
    finishReason: finished?.reason ?? "cancelled",
    checkpoint: policy.info.checkpointId,
    seconds: Number(((performance.now() - startedAt) / 1000).toFixed(3)),
  };
  console.log(JSON.stringify(result));
}
