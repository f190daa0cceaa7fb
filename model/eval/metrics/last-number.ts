/** @file Answers to word problems: the last number a response names. */

/** Thousands may be grouped by commas; a sign belongs to it where nothing but space or a bracket stands before. */
const numbers = /(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?!\w)|(?<=\$)\d+(?:,\d{3})*(?:\.\d+)?/g;

/** After "####", as worked answers mark it, or the last in the text; null: it names none. */
export function lastNumber(text: string): number | null {
  const marked = text.split("####").at(-1) ?? text;
  const found = marked.match(numbers) ?? text.match(numbers);
  return found === null ? null : Number((found.at(-1) ?? "").replaceAll(",", ""));
}

/** Whether the response's answer is that of a reference. @returns 0 or 1 */
export function scoreNumber(response: string, references: readonly string[]): number {
  const said = lastNumber(response);
  return Number(said !== null && references.some((each) => lastNumber(each) === said));
}
