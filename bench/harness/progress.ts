/** @file What a long measurement says while it goes: on the error stream, for its last line of output is the result. */

export function progress(name: string, text: string): void {
  console.error(`${name}: ${text}`);
}
