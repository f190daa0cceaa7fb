/** @file `attune chat`: a conversation in the terminal, kept nowhere. */
import readline from "node:readline";
import type { Command } from "commander";
import type { ChatMessage, Generator, Sampling } from "@/model/runtime/types";
import { interruptible } from "./interruptible";
import { addPolicyOptions, loadPolicy, type PolicyFlags } from "./load-policy";
import { addSamplingOptions, samplingOf } from "./sampling-options";

type Flags = PolicyFlags & { system?: string };

export function addChatCommand(program: Command): void {
  const command = program
    .command("chat")
    .description("talk to the policy in this terminal; nothing is stored")
    .option("--system <text>", "system prompt");
  addSamplingOptions(addPolicyOptions(command)).action((flags: Flags) => chat(flags));
}

async function chat(flags: Flags): Promise<void> {
  const sampling = samplingOf(flags);
  using loading = interruptible();
  await using policy = await loadPolicy(flags, loading.signal);
  loading[Symbol.dispose]();
  const { name, precision } = policy.info;
  console.log(
    `${name} (${precision}). Ctrl-C stops an answer, and leaves when there is none. /new starts over.`,
  );

  const terminal = readline.createInterface({
    input: process.stdin,
    output: process.stdout,
    prompt: "\nyou> ",
  });
  // While the terminal reads keys one by one, Ctrl-C arrives here and not as a signal to the process.
  let answering: AbortController | null = null;
  terminal.on("SIGINT", () => (answering ? answering.abort() : terminal.close()));
  const start: ChatMessage[] = flags.system ? [{ role: "system", content: flags.system }] : [];
  let messages = [...start];
  terminal.prompt();
  for await (const line of terminal) {
    const question = line.trim();
    if (question === "/exit") break;
    if (question === "/new") messages = [...start];
    else if (question !== "") {
      messages.push({ role: "user", content: question });
      answering = new AbortController();
      const text = await answer(policy, messages, { sampling, signal: answering.signal });
      answering = null;
      messages.push({ role: "assistant", content: text });
    }
    terminal.prompt();
  }
  terminal.close();
  process.stdout.write("\n");
}

/** Streams to the terminal; what came before a stop is kept. */
async function answer(
  policy: Generator,
  messages: ChatMessage[],
  { sampling, signal }: { sampling: Sampling; signal: AbortSignal },
): Promise<string> {
  let text = "";
  process.stdout.write("\n");
  for await (const event of policy.generate({ messages, sampling }, signal)) {
    if (event.type === "started" && event.cutCharacters > 0) {
      console.log(
        `(The first ${event.cutCharacters} characters of your message do not fit and were left out.)`,
      );
    }
    if (event.type === "started" && event.droppedTurns > 0) {
      console.log(`(The ${event.droppedTurns} oldest turns no longer fit and were left out.)`);
    }
    if (event.type !== "token" && event.type !== "finished") continue;
    text += event.text;
    process.stdout.write(event.text);
    if (event.type === "finished" && event.reason !== "stop") process.stdout.write(` [${event.reason}]`);
  }
  process.stdout.write("\n");
  return text;
}
