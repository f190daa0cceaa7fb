/** @file One line that says whether this conversation may be used to improve the assistant, and leads to the choice. */
"use client";

type ConsentLineProps = { conversation: { isUsable: boolean }; onChange: () => void };

export function ConsentLine({ conversation, onChange }: ConsentLineProps) {
  return (
    <>
      {conversation.isUsable
        ? "This conversation may be used to improve the assistant."
        : "This conversation is not used to improve the assistant."}{" "}
      <button type="button" onClick={onChange} className="underline underline-offset-2 hover:text-ink">
        Change
      </button>
    </>
  );
}
