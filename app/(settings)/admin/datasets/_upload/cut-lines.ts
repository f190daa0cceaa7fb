/** @file Cuts a text that comes in pieces into parts of whole lines, and knows which line of the file each part begins with. */

export type LinePart = {
  text: string;
  /** Number in the file of the part's first line, from 1. */
  firstLine: number;
};

/**
 * @param maxCharacters of a part; a single line that is longer comes as a part of its own
 */
export async function* cutLines(
  pieces: AsyncIterable<string>,
  maxCharacters: number,
): AsyncGenerator<LinePart> {
  let held = "";
  let firstLine = 1;
  const take = (end: number): LinePart => {
    const text = held.slice(0, end);
    const part = { text, firstLine };
    held = held.slice(end);
    firstLine += text.split("\n").length - 1;
    return part;
  };
  for await (const piece of pieces) {
    held += piece;
    while (held.length > maxCharacters) {
      const lastEnd = held.lastIndexOf("\n", maxCharacters - 1);
      const end = lastEnd >= 0 ? lastEnd : held.indexOf("\n");
      if (end < 0) break; // a line longer than a part: its end is yet to come
      yield take(end + 1);
    }
  }
  if (held !== "") yield take(held.length);
}

/** "line 3 is empty" of a part as the line it is in the file. */
export function renumberLines(message: string, firstLine: number, fileName: string): string {
  return message
    .replace(/^line (\d+)/gm, (_, line: string) => `line ${Number(line) + firstLine - 1}`)
    .replace(/of part \d+/, `of ${fileName}`);
}
