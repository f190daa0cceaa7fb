/** @file Prompts named one by one: read from what is typed, and carried from the list of prompts to the form in its address. */

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** As the server takes. */
const mostIds = 5_000;

export type NamedPrompts = { ids: string[]; problem: string | null };

/** Ids between spaces, commas or line ends, each once, in their order; the first thing that is none is named. */
export function readPromptIds(text: string): NamedPrompts {
  const words = text.split(/[\s,]+/).filter(Boolean);
  const ids = [...new Set(words.filter((word) => uuid.test(word)).map((word) => word.toLowerCase()))];
  const wrong = words.find((word) => !uuid.test(word));
  if (wrong !== undefined) return { ids, problem: `“${wrong.slice(0, 40)}” is not the id of a prompt.` };
  if (ids.length > mostIds) {
    return {
      ids,
      problem: `A batch takes ${mostIds.toLocaleString("en")} named prompts: make two of these.`,
    };
  }
  return { ids, problem: null };
}

/** After the hash, which no server sees or cuts off. */
export function newBatchAddress(promptIds: readonly string[]): string {
  return `/admin/batches/new#prompts=${promptIds.join(",")}`;
}

/** @param hash with its #. @returns one id a line; empty where it names none */
export function promptsOfHash(hash: string): string {
  return hash.startsWith("#prompts=") ? readPromptIds(hash.slice("#prompts=".length)).ids.join("\n") : "";
}
