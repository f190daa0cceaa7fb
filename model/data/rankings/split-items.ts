/** @file Bytes of JSONL or of one JSON array, cut into items one at a time: memory is bounded by the longest item. */

/** `bytes` is null for an item above the limit, whose rest was passed over. */
export type RawItem = { item: number; line: number; bytes: Uint8Array | null };

const newline = 0x0a;
const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [openBracket, closeBracket, openBrace, closeBrace] = [0x5b, 0x5d, 0x7b, 0x7d];
const isSpace = (byte: number) => byte === 0x20 || byte === newline || byte === 0x0d || byte === 0x09;

/** A JSON array did not end, or went on after its end. */
export class UnevenArrayError extends Error {
  override readonly name = "UnevenArrayError";
}

/**
 * A file whose first character is `[` is an array, and its elements are the items; any other is lines, and blank ones are
 * passed over. Both are counted from 1, as is the line that an item begins on.
 * @throws UnevenArrayError after the items before it
 */
export async function* splitItems(
  chunks: AsyncIterable<Uint8Array>,
  { maxItemBytes }: { maxItemBytes: number },
): AsyncGenerator<RawItem> {
  let splitter: LineSplitter | ArraySplitter | null = null;
  let isFirst = true;
  for await (let chunk of chunks) {
    if (isFirst && chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf) chunk = chunk.subarray(3);
    if (chunk.length === 0) continue;
    isFirst = false;
    if (splitter === null) {
      const first = chunk.find((byte) => !isSpace(byte));
      splitter = first === openBracket ? new ArraySplitter(maxItemBytes) : new LineSplitter(maxItemBytes);
    }
    yield* splitter.push(chunk);
  }
  if (splitter) yield* splitter.end();
}

/** The bytes of the item at hand, over as many chunks as it takes. */
class ItemBytes {
  private parts: Uint8Array[] = [];
  private size = 0;
  constructor(private readonly maxBytes: number) {}

  add(part: Uint8Array): void {
    this.size += part.length;
    if (this.size > this.maxBytes) this.parts = [];
    // A copy, for the chunk's memory may be used again.
    else if (part.length > 0) this.parts.push(part.slice());
  }

  take(): Uint8Array | null {
    const bytes = this.size > this.maxBytes ? null : Buffer.concat(this.parts);
    this.parts = [];
    this.size = 0;
    return bytes;
  }
}

class LineSplitter {
  private readonly bytes: ItemBytes;
  private item = 0;
  private line = 0;
  constructor(maxItemBytes: number) {
    this.bytes = new ItemBytes(maxItemBytes);
  }

  *push(chunk: Uint8Array): Generator<RawItem> {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      this.bytes.add(chunk.subarray(start, end));
      yield* this.end();
      start = end + 1;
    }
    this.bytes.add(chunk.subarray(start));
  }

  *end(): Generator<RawItem> {
    this.line++;
    const bytes = this.bytes.take();
    if (bytes?.every(isSpace)) return;
    this.item++;
    yield { item: this.item, line: this.line, bytes };
  }
}

class ArraySplitter {
  private readonly bytes: ItemBytes;
  private item = 0;
  private line = 1;
  private startLine = 1;
  /** Brackets open within the item. */
  private depth = 0;
  private state: "before" | "between" | "inside" | "after" = "before";
  private inString = false;
  private escaped = false;
  constructor(maxItemBytes: number) {
    this.bytes = new ItemBytes(maxItemBytes);
  }

  *push(chunk: Uint8Array): Generator<RawItem> {
    let start = 0;
    // By index: an iterator makes an object for each of a billion bytes.
    for (let at = 0; at < chunk.length; at++) {
      if (this.inString) at = this.endOfString(chunk, at);
      const byte = chunk[at];
      if (byte === undefined) break;
      if (byte === newline) this.line++;
      if (this.state === "inside") {
        if (!this.isEndOfItem(byte)) continue;
        this.bytes.add(chunk.subarray(start, at));
        yield this.take();
        this.state = byte === comma ? "between" : "after";
      } else if (this.begins(byte)) {
        start = at;
      }
    }
    if (this.state === "inside") this.bytes.add(chunk.subarray(start));
  }

  /** Whether an item begins with this byte. */
  private begins(byte: number): boolean {
    if (isSpace(byte)) return false;
    if (this.state === "after") {
      throw new UnevenArrayError(`the JSON array ends before line ${this.line}, and more follows it`);
    }
    if (this.state === "before") {
      this.state = "between";
      return false;
    }
    if (byte === comma) return false;
    if (byte === closeBracket) {
      this.state = "after";
      return false;
    }
    this.state = "inside";
    this.startLine = this.line;
    this.depth = 0;
    this.isEndOfItem(byte);
    return true;
  }

  /**
   * Text is most of a file, so it is passed over by the native search for a quote.
   * @returns the place of the quote that ends the string, or the chunk's length, with what to know of the next one kept
   */
  private endOfString(chunk: Uint8Array, from: number): number {
    let start = from + Number(this.escaped);
    for (;;) {
      const found = chunk.indexOf(quote, start);
      const end = found < 0 ? chunk.length : found;
      let backslashes = 0;
      while (end - 1 - backslashes >= start && chunk[end - 1 - backslashes] === backslash) backslashes++;
      // An even number of them escapes itself.
      const isEscaped = backslashes % 2 === 1;
      this.escaped = found < 0 && isEscaped;
      if (found < 0 || !isEscaped) return end;
      start = found + 1;
    }
  }

  /** Keeps account of strings and brackets; a comma or bracket outside of all ends the item, also after one too many. */
  private isEndOfItem(byte: number): boolean {
    if (byte === quote) {
      this.inString = !this.inString;
      return false;
    }
    if (this.depth <= 0 && (byte === comma || byte === closeBracket)) return true;
    if (byte === openBracket || byte === openBrace) this.depth++;
    else if (byte === closeBracket || byte === closeBrace) this.depth--;
    return false;
  }

  private take(): RawItem {
    this.item++;
    return { item: this.item, line: this.startLine, bytes: this.bytes.take() };
  }

  /** Nothing is left to yield. */
  end(): [] {
    if (this.state === "inside") {
      const reason = `the file ends inside item ${this.item + 1}, which begins on line ${this.startLine}`;
      throw new UnevenArrayError(reason);
    }
    if (this.state !== "after") throw new UnevenArrayError("the JSON array has no end");
    return [];
  }
}
