/** @file What a page that watches an answer is told. */
import type { Message } from "../domain/messages";
import type { DraftProgress } from "./best-of";

/** Queue positions count from 1 = next. */
export type AnswerUpdate =
  /** All text so far: replaces whatever is shown. */
  | {
      type: "snapshot";
      text: string;
      status: "queued" | "streaming";
      position: number | null;
      droppedTurns: number;
      cutCharacters: number;
      /** Of several answers, of which the best will be shown; null where there is one. */
      progress: DraftProgress | null;
    }
  /** Still waiting for its turn. */
  | { type: "queued"; position: number }
  /** The policy has begun; `droppedTurns` oldest turns did not fit its context, nor the newest one's first `cutCharacters`. */
  | { type: "started"; droppedTurns: number; cutCharacters: number }
  /** So many of several answers are written; with the last of them the choice begins. */
  | ({ type: "drafts" } & DraftProgress)
  /** Text to append. */
  | { type: "delta"; text: string }
  /** The message as it is stored, its status final. Nothing follows. */
  | { type: "ended"; message: Message };

/** The same for a temporary chat, where no message is stored. */
export type TemporaryUpdate =
  | { type: "queued"; position: number }
  | {
      type: "started";
      droppedTurns: number;
      cutCharacters: number;
      checkpoint: { id: string; name: string };
    }
  | { type: "delta"; text: string }
  | { type: "ended"; status: "complete" | "length" | "stopped" | "failed"; error: string | null };
