/** @file Typed access to the metadata of a GGUF file. */
import { CorruptFileError } from "./errors";
import type { GgufFile } from "./gguf-file";

/** A key that is missing or of another type is named by a CorruptFileError. */
export class GgufMetadata {
  constructor(readonly file: Pick<GgufFile, "metadata" | "path">) {}

  text(key: string): string {
    const value = this.optionalText(key);
    if (value === null) throw new CorruptFileError(this.file.path, `its metadata has no text ${key}`);
    return value;
  }

  optionalText(key: string): string | null {
    const value = this.file.metadata.get(key);
    return typeof value === "string" ? value : null;
  }

  number(key: string): number {
    const value = this.optionalNumber(key);
    if (value === null) throw new CorruptFileError(this.file.path, `its metadata has no number ${key}`);
    return value;
  }

  optionalNumber(key: string): number | null {
    const value = this.file.metadata.get(key);
    return typeof value === "number" || typeof value === "bigint" ? Number(value) : null;
  }

  /** false when it is not there. */
  flag(key: string): boolean {
    return this.file.metadata.get(key) === true;
  }

  texts(key: string): string[] {
    const value = this.file.metadata.get(key);
    if (Array.isArray(value) && value.every((each) => typeof each === "string")) return value;
    throw new CorruptFileError(this.file.path, `its metadata has no list of texts ${key}`);
  }

  numbers(key: string): number[] {
    const value = this.file.metadata.get(key);
    if (Array.isArray(value) && value.every((each) => typeof each === "number")) return value;
    throw new CorruptFileError(this.file.path, `its metadata has no list of numbers ${key}`);
  }
}
