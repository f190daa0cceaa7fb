/** @file Writes a trained tokenizer as Hugging Face lays one out, with the chat template that its special tokens are for. */
import { mkdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { syncFolder, writeFileDurably } from "../checkpoint/file-access";
import { chatSpecialTokens } from "./train-tokenizer";

/** ChatML: each message between `<|im_start|>role` and `<|im_end|>`. */
const chatTemplate =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

const [endOfText, imStart, imEnd, pad] = chatSpecialTokens;
const idOf = (token: (typeof chatSpecialTokens)[number]) => chatSpecialTokens.indexOf(token);

/** Ids that a model of this tokenizer names in its config.json. */
export const chatTokenIds = { bos: idOf(imStart), eos: idOf(imEnd), pad: idOf(pad) } as const;

/**
 * The folder is there whole or not at all.
 * @param definition as `trainTokenizer` gives it
 */
export async function writeTokenizer(
  folder: string,
  definition: Readonly<Record<string, unknown>>,
  { contextLength }: { contextLength: number },
): Promise<void> {
  const part = `${folder}.part`;
  await rm(part, { recursive: true, force: true });
  await mkdir(part, { recursive: true });
  const write = (name: string, text: string) => writeFileDurably(path.join(part, name), [text]);
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  await write("tokenizer.json", json(definition));
  await write(
    "tokenizer_config.json",
    json({
      bos_token: imStart,
      clean_up_tokenization_spaces: false,
      eos_token: imEnd,
      model_max_length: contextLength,
      pad_token: pad,
      tokenizer_class: "PreTrainedTokenizerFast",
      unk_token: endOfText,
    }),
  );
  await write("chat_template.jinja", chatTemplate);
  // A turn ends with one, a document with the other.
  const ends = [chatTokenIds.eos, idOf(endOfText)];
  const { bos, pad: padId } = chatTokenIds;
  await write("generation_config.json", json({ bos_token_id: bos, eos_token_id: ends, pad_token_id: padId }));
  await syncFolder(part);
  await rename(part, folder);
  await syncFolder(path.dirname(folder));
}
