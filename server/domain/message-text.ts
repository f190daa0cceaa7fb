/** @file What text a message may hold. */
import { AppError } from "../errors";

/** One message, in UTF-16 code units. A megabyte of text fits no context and slows every reader. */
export const maxMessageCharacters = 100_000;

/** @throws {AppError} TOO_LARGE, with both numbers */
export function checkMessageLength(content: string): void {
  if (content.length > maxMessageCharacters) {
    const [limit, length] = [maxMessageCharacters, content.length].map((n) => n.toLocaleString("en"));
    throw new AppError(
      "TOO_LARGE",
      `A message may hold ${limit} characters; this one has ${length}. Shorten it or send it in parts.`,
    );
  }
}

/**
 * @returns the text as it can be stored
 * @throws {AppError} TOO_LARGE; BAD_REQUEST for nothing but white space
 */
export function checkMessageText(content: string): string {
  checkMessageLength(content);
  if (content.trim() === "") throw new AppError("BAD_REQUEST", "The message is empty.");
  return storableText(content);
}

/** PostgreSQL stores neither NUL nor half a surrogate pair; both may come from a client or from sampled bytes. */
export function storableText(text: string): string {
  return text.replace(/\0|\p{Surrogate}/gu, "\uFFFD");
}
