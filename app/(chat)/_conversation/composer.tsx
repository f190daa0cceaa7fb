/** @file Where a message is written: grows with the text, sends by Enter, keeps drafts, says when a text is too long. */
"use client";

import {
  type KeyboardEvent,
  type ReactNode,
  type Ref,
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useRef,
} from "react";
import { IconButton } from "@/app/_components/button";
import { classNames } from "@/app/_components/class-names";
import { Icon } from "@/app/_components/icon";
import { useDraft } from "@/app/_lib/use-draft";

/** The bound of server/domain/messages; the server checks it again. */
const maxCharacters = 100_000;
/** From here on the count is shown. */
const countedFrom = 90_000;

export type ComposerHandle = { focus: () => void; write: (text: string) => void };

type ComposerProps = {
  /** Drafts are kept under this name; null keeps none. */
  draftKey: string | null;
  isAnswering: boolean;
  placeholder: string;
  /** Resolves to whether the message was taken; if not, the text stays here. */
  onSend: (text: string) => Promise<boolean>;
  onStop: () => void;
  /** The line under the field. */
  footnote?: ReactNode;
  ref?: Ref<ComposerHandle>;
};

export function Composer({
  draftKey,
  isAnswering,
  placeholder,
  onSend,
  onStop,
  footnote,
  ref,
}: ComposerProps) {
  const [draft, setDraft] = useDraft(draftKey);
  const field = useRef<HTMLTextAreaElement>(null);
  const isSending = useRef(false);

  useImperativeHandle(ref, () => ({
    focus: () => field.current?.focus(),
    write: (text) => {
      setDraft(text);
      field.current?.focus();
    },
  }));

  // What was written before the page came alive stands in the field and is unknown to React: it is taken over, once.
  const isTakenOver = useRef(false);
  useEffect(() => {
    const written = field.current?.value;
    if (written && !isTakenOver.current) setDraft(written);
    isTakenOver.current = true;
  }, [setDraft]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the text decides the height
  useLayoutEffect(() => {
    const element = field.current;
    if (!element) return;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight}px`;
  }, [draft]);

  const excess = draft.length - maxCharacters;
  const canSend = draft.trim() !== "" && excess <= 0 && !isAnswering;

  const send = async () => {
    if (!canSend || isSending.current) return;
    isSending.current = true;
    setDraft("");
    try {
      if (!(await onSend(draft.trim()))) setDraft(draft);
    } finally {
      isSending.current = false;
    }
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") {
      if (isAnswering) onStop();
      else field.current?.blur();
    }
    // While an input method composes a word, Enter belongs to it; on a touch keyboard it is the only way to a new line.
    const isNewLine =
      event.shiftKey || event.nativeEvent.isComposing || matchMedia("(pointer: coarse)").matches;
    if (event.key === "Enter" && !isNewLine) {
      event.preventDefault();
      void send();
    }
  };

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
      className="mx-auto w-full max-w-[38rem] px-4 pb-3"
    >
      <div className="flex items-end gap-1 rounded-xl border border-control bg-raised p-1.5 focus-within:outline-2 focus-within:outline-offset-1 focus-within:outline-focus">
        <textarea
          ref={field}
          id="write"
          rows={1}
          value={draft}
          aria-label="Message"
          aria-describedby="write-note"
          aria-keyshortcuts="i"
          placeholder={placeholder}
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={onKeyDown}
          className="max-h-[40dvh] min-h-9 grow resize-none bg-transparent px-2 py-1.5 outline-none"
        />
        {isAnswering ? (
          <IconButton
            icon="stop"
            label="Stop the answer"
            shortcut="Esc"
            onClick={onStop}
            className="size-9 bg-hover text-ink!"
          />
        ) : (
          <button
            type="submit"
            aria-label="Send"
            disabled={!canSend}
            className="inline-flex size-9 shrink-0 items-center justify-center rounded-lg bg-accent text-on-accent hover:bg-accent-hover disabled:bg-hover disabled:text-muted"
          >
            <Icon name="arrowUp" />
          </button>
        )}
      </div>
      <p
        id="write-note"
        className={classNames("mt-1.5 min-h-5 px-1 text-small", excess > 0 ? "text-danger" : "text-muted")}
        {...(excess > 0 ? { role: "alert" } : {})}
      >
        {excess > 0
          ? `Too long by ${excess.toLocaleString("en")} characters: a message may hold ${maxCharacters.toLocaleString("en")}. Shorten it or send it in parts.`
          : draft.length >= countedFrom
            ? `${draft.length.toLocaleString("en")} of ${maxCharacters.toLocaleString("en")} characters`
            : footnote}
      </p>
    </form>
  );
}
