/** @file Cuts a JSON file that may be large into its items, one in memory at a time: those of the list it is, or itself. */
import { AppError } from "../../errors";

/** One conversation. The longest that people have are a few megabytes. */
const maxItemBytes = 32 * 1024 * 1024;

export type Item = { number: number; value: object } | { number: number; reason: string };

const [quote, backslash, openBrace, closeBrace, openBracket, closeBracket] = [
  0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d,
];
const comma = 0x2c;
const isSpace = (byte: number) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
/** EF BB BF, which some programs put before UTF-8. */
const isMark = (byte: number) => byte === 0xef || byte === 0xbb || byte === 0xbf;

/**
 * Items in order, numbered from 1. An item that cannot be read is named; the rest comes all the same.
 * @throws {AppError} BAD_REQUEST for a file that is no JSON list or object, or ends in the middle
 */
export async function* readItems(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Item> {
  const cutter = new ItemCutter();
  for await (const chunk of bytes) yield* cutter.take(chunk);
  cutter.end();
}

class ItemCutter {
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  /** Depth at which items begin: 1 in a list, 0 where the file is one object; null before its first sign. */
  #itemDepth: 0 | 1 | null = null;
  #isOver = false;
  #number = 0;
  #kept: Uint8Array[] = [];
  #size = 0;

  *take(chunk: Uint8Array): Generator<Item> {
    /** Where the part of the item begins that lies in this chunk; -1 outside items. */
    let start = this.#isInItem() ? 0 : -1;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] ?? 0;
      if (this.#isInString) i = this.#readString(chunk, i);
      else if (byte === quote && this.#isInItem()) this.#isInString = true;
      else if (byte === openBrace || byte === openBracket) {
        if (this.#open(byte)) start = i;
      } else if (byte === closeBrace || byte === closeBracket) {
        this.#depth -= 1;
        if (start >= 0 && this.#depth === this.#itemDepth) {
          this.#keep(chunk.subarray(start, i + 1));
          start = -1;
          yield this.#finish();
        }
        if (this.#depth <= 0) this.#isOver = true;
      } else if (!this.#isInItem()) this.#checkBetween(byte);
    }
    if (start >= 0) this.#keep(chunk.subarray(start));
  }

  /** @throws {AppError} where the file is not complete */
  end(): void {
    if (this.#itemDepth === null) throw unreadable("The file is empty.");
    if (!this.#isOver) {
      throw unreadable(
        `The file ends in the middle of item ${this.#number + 1}. What came before it was taken; export it again.`,
      );
    }
  }

  #isInItem(): boolean {
    return this.#itemDepth !== null && this.#depth > this.#itemDepth;
  }

  /** Most of a file is text: a loop of its own. @returns the place of the last sign that belongs to the string so far */
  #readString(chunk: Uint8Array, from: number): number {
    let isEscaped = this.#isEscaped;
    for (let i = from; i < chunk.length; i++) {
      const byte = chunk[i];
      if (isEscaped) isEscaped = false;
      else if (byte === backslash) isEscaped = true;
      else if (byte === quote) {
        this.#isInString = false;
        this.#isEscaped = false;
        return i;
      }
    }
    this.#isEscaped = isEscaped;
    return chunk.length - 1;
  }

  /** @returns whether an item begins here */
  #open(byte: number): boolean {
    if (this.#isOver) throw unreadable("There is something behind the end of the file's list.");
    this.#itemDepth ??= byte === openBracket ? 1 : 0;
    const begins = this.#depth === this.#itemDepth;
    this.#depth += 1;
    return begins;
  }

  #checkBetween(byte: number): void {
    if (isSpace(byte) || (byte === comma && this.#depth === 1)) return;
    if (this.#itemDepth === null && isMark(byte)) return;
    if (this.#itemDepth === null && byte === 0x50) {
      throw unreadable(
        "This is a ZIP archive. Unpack it and choose the JSON file inside (conversations.json).",
      );
    }
    throw unreadable(
      this.#itemDepth === null
        ? "The file is not JSON. Choose the JSON file of the export."
        : `Behind item ${this.#number} comes something that is no conversation.`,
    );
  }

  #keep(part: Uint8Array): void {
    this.#size += part.byteLength;
    if (this.#size <= maxItemBytes) this.#kept.push(Uint8Array.from(part));
    else this.#kept = [];
  }

  #finish(): Item {
    const [parts, size] = [this.#kept, this.#size];
    this.#number += 1;
    this.#kept = [];
    this.#size = 0;
    if (size > maxItemBytes) {
      return { number: this.#number, reason: `has ${size} bytes; a conversation may have ${maxItemBytes}` };
    }
    return parseItem(this.#number, Buffer.concat(parts));
  }
}

function parseItem(number: number, bytes: Uint8Array): Item {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return value instanceof Object ? { number, value } : { number, reason: "is no object" };
  } catch (error) {
    return { number, reason: error instanceof TypeError ? "is not UTF-8" : "is not JSON" };
  }
}

const unreadable = (text: string) => new AppError("BAD_REQUEST", text);
