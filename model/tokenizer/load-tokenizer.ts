/** @file Reads the tokenizer and the chat template of a Hugging Face folder. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { ChatTemplate, defaultTemplate } from "./chat-template";
import { Tokenizer } from "./tokenizer";
import { UnsupportedTokenizerError } from "./tokenizer-definition";

/** "</s>" or {"content": "</s>", …}: both spellings are in use. */
const tokenText = z
  .union([z.string(), z.looseObject({ content: z.string() }).transform((token) => token.content)])
  .nullish()
  .transform((text) => text ?? null);
const configSchema = z.looseObject({
  bos_token: tokenText,
  eos_token: tokenText,
  unk_token: tokenText,
  pad_token: tokenText,
  chat_template: z
    .union([z.string(), z.array(z.looseObject({ name: z.string(), template: z.string() }))])
    .nullish(),
});
const tokenIds = z
  .union([z.int().transform((id) => [id]), z.array(z.int())])
  .nullish()
  .transform((ids) => ids ?? []);
const generationSchema = z.looseObject({ eos_token_id: tokenIds });

/**
 * @param endTokenIds what config.json names; those of generation_config.json and the tokenizer's own are added
 * @throws UnsupportedTokenizerError, ChatTemplateError
 */
export async function loadTokenizer(
  folder: string,
  endTokenIds: readonly number[],
): Promise<{ tokenizer: Tokenizer; chatTemplate: ChatTemplate }> {
  const definition = await readJson(folder, "tokenizer.json");
  if (definition === null) {
    throw new UnsupportedTokenizerError(
      "there is none; save it with transformers: tokenizer.save_pretrained(folder)",
    );
  }
  const config = checked(
    "tokenizer_config.json",
    configSchema,
    await readJson(folder, "tokenizer_config.json"),
  );
  const generation = checked(
    "generation_config.json",
    generationSchema,
    await readJson(folder, "generation_config.json"),
  );
  const tokenizer = new Tokenizer(definition, {
    endTokenIds: [...endTokenIds, ...generation.eos_token_id],
    special: { bos: config.bos_token, eos: config.eos_token, unk: config.unk_token, pad: config.pad_token },
  });
  const source = (await readText(folder, "chat_template.jinja")) ?? templateOf(config.chat_template);
  return { tokenizer, chatTemplate: source === null ? defaultTemplate(tokenizer) : new ChatTemplate(source) };
}

/** A file that is not there says nothing. */
function checked<T>(name: string, schema: z.ZodType<T>, json: unknown): T {
  const result = schema.safeParse(json ?? {});
  if (result.success) return result.data;
  throw new UnsupportedTokenizerError(`${name} is malformed (${z.prettifyError(result.error)})`);
}

function templateOf(template: z.infer<typeof configSchema>["chat_template"]): string | null {
  if (!Array.isArray(template)) return template ?? null;
  return template.find((each) => each.name === "default")?.template ?? null;
}

async function readJson(folder: string, name: string): Promise<unknown> {
  const text = await readText(folder, name);
  if (text === null) return null;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UnsupportedTokenizerError(`${name} is not JSON (${String(cause)})`);
  }
}

async function readText(folder: string, name: string): Promise<string | null> {
  try {
    return await readFile(path.join(folder, name), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}
