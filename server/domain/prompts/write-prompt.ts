/** @file Prompts that labelers write, in the three forms of InstructGPT: plain, few-shot, from a use case. */
import { z } from "zod";
import type { Db } from "../../db/db";
import { type AddedPrompt, addPrompt, maxPromptCharacters } from "./add-prompt";
import type { PromptMessage } from "./fold-text";

const maxUseCaseCharacters = 2_000;

const text = (what: string) =>
  z
    .string()
    .trim()
    .min(1, `${what} is empty.`)
    .max(maxPromptCharacters, `${what} may have ${maxPromptCharacters.toLocaleString("en")} characters.`);

const single = {
  /** Instructions to the assistant before the conversation; empty for none. */
  systemPrompt: z.string().trim().max(maxPromptCharacters).default(""),
  text: text("The prompt"),
};

export const writtenPromptSchema = z.discriminatedUnion("form", [
  /** An arbitrary task. */
  z.object({ form: z.literal("plain"), ...single }),
  /** What somebody would ask who has this use in mind. */
  z.object({
    form: z.literal("useCase"),
    useCase: z
      .string()
      .trim()
      .min(1, "The use case is empty: say who wants what.")
      .max(
        maxUseCaseCharacters,
        `A use case may have ${maxUseCaseCharacters.toLocaleString("en")} characters.`,
      ),
    ...single,
  }),
  /** An instruction, several questions with their answers, and the question that is left open. */
  z.object({
    form: z.literal("fewShot"),
    instruction: text("The instruction"),
    examples: z
      .array(z.object({ question: text("A question"), answer: text("An answer") }))
      .min(2, "A few-shot prompt has two examples or more.")
      .max(20, "A few-shot prompt has 20 examples at most."),
    text: text("The last question"),
  }),
]);
export type WrittenPrompt = z.infer<typeof writtenPromptSchema>;

/** Stores what a labeler wrote. It is theirs: they never rank it, and it goes with their account. */
export function writePrompt(
  db: Db,
  { userId, prompt }: { userId: string; prompt: WrittenPrompt },
): Promise<AddedPrompt> {
  return addPrompt(db, {
    source: "labeler",
    form: prompt.form,
    ...(prompt.form === "useCase" && { useCase: prompt.useCase }),
    messages: toMessages(prompt),
    ownerId: userId,
    createdBy: userId,
  });
}

function toMessages(prompt: WrittenPrompt): PromptMessage[] {
  if (prompt.form !== "fewShot") {
    const turn = { role: "user", content: prompt.text } as const;
    return prompt.systemPrompt === "" ? [turn] : [{ role: "system", content: prompt.systemPrompt }, turn];
  }
  return [
    { role: "system", content: prompt.instruction },
    ...prompt.examples.flatMap(({ question, answer }): PromptMessage[] => [
      { role: "user", content: question },
      { role: "assistant", content: answer },
    ]),
    { role: "user", content: prompt.text },
  ];
}
