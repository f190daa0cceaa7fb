/** @file Tells a refused duplicate from other database errors. */

const uniqueViolation = "23505";

/** Whether the database refused a row because of this unique constraint or index. */
export function isUniqueViolation(error: unknown, constraint: string): boolean {
  for (let inner = error; inner instanceof Error; inner = inner.cause) {
    if ("code" in inner && inner.code === uniqueViolation) {
      return "constraint" in inner && inner.constraint === constraint;
    }
  }
  return false;
}
