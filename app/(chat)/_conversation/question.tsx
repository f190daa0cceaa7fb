/** @file A question in the conversation, and its edit in place, which begins a new branch. */
"use client";

import { useState } from "react";
import { Button, IconButton } from "@/app/_components/button";
import { CopyButton } from "@/app/_components/copy-button";
import { inputClass } from "@/app/_components/field";
import { Pulse } from "@/app/_components/pulse";

type QuestionProps = {
  text: string;
  /** On its way to the server. */
  isPending?: boolean;
  isEditing?: boolean;
  onEditing?: (isEditing: boolean) => void;
  /** Resolves to whether the new wording was taken. Left out where questions cannot be edited. */
  onEdit?: (text: string) => Promise<boolean>;
  siblings?: React.ReactNode;
};

export function Question({ text, isPending, isEditing, onEditing, onEdit, siblings }: QuestionProps) {
  return (
    <article aria-label="Your question" className="group/turn">
      <h2 className="text-small font-semibold text-muted">You</h2>
      {isEditing && onEdit && onEditing ? (
        <QuestionEditor text={text} onEdit={onEdit} onClose={() => onEditing(false)} />
      ) : (
        <>
          <p className="mt-1 whitespace-pre-wrap leading-[1.6]" dir="auto">
            {text}
          </p>
          {isPending ? (
            <Pulse>Sending…</Pulse>
          ) : (
            <div className="-ml-2 flex items-center">
              {siblings}
              <span className="flex items-center opacity-0 group-hover/turn:opacity-100 focus-within:opacity-100 pointer-coarse:opacity-100">
                {onEdit && onEditing && (
                  <IconButton
                    icon="edit"
                    label="Edit the question"
                    size={16}
                    onClick={() => onEditing(true)}
                  />
                )}
                <CopyButton text={text} label="Copy the question" />
              </span>
            </div>
          )}
        </>
      )}
    </article>
  );
}

type QuestionEditorProps = { text: string; onEdit: (text: string) => Promise<boolean>; onClose: () => void };

function QuestionEditor({ text, onEdit, onClose }: QuestionEditorProps) {
  const [wording, setWording] = useState(text);
  const [isSending, setIsSending] = useState(false);
  const save = async () => {
    if (wording.trim() === "") return;
    setIsSending(true);
    const isTaken = await onEdit(wording.trim());
    setIsSending(false);
    if (isTaken) onClose();
  };
  return (
    <form
      className="mt-1 space-y-2"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <textarea
        aria-label="Edit the question"
        rows={Math.min(12, wording.split("\n").length + 1)}
        value={wording}
        maxLength={100_000}
        // The person just asked to write here.
        ref={(field) => {
          if (field && document.activeElement === document.body) field.focus();
        }}
        onChange={(event) => setWording(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") onClose();
          if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
            event.preventDefault();
            void save();
          }
        }}
        className={inputClass}
      />
      <div className="flex flex-wrap items-center gap-2">
        <Button type="submit" look="primary" small busy={isSending} disabled={wording.trim() === ""}>
          Ask again
        </Button>
        <Button look="quiet" small onClick={onClose}>
          Cancel
        </Button>
        <span className="text-small text-muted">The old question and its answers stay, one step aside.</span>
      </div>
    </form>
  );
}
