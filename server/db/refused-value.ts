/** @file Tells values that no database row can hold from other database errors: whoever sent them is told. */
import { AppError } from "../errors";

/** SQLSTATE class 22: a NUL character, half a surrogate pair, a number or a moment out of range. */
const dataException = /^22[0-9A-Z]{3}$/;

/** Whether the database refused a value for what it is. */
export function isRefusedValue(error: unknown): boolean {
  for (let inner = error; inner instanceof Error; inner = inner.cause) {
    if ("code" in inner && typeof inner.code === "string" && dataException.test(inner.code)) return true;
  }
  return false;
}

export function refusedValue(cause: unknown): AppError {
  return new AppError(
    "BAD_REQUEST",
    "A value in this request cannot be stored: a control character in a text, or a number or id out of range.",
    { cause },
  );
}
