/** @file Prompts one below the other: the question they end with, the whole conversation when opened, and what can be done. */
"use client";

import { useMutation } from "@tanstack/react-query";
import { IconButton } from "@/app/_components/button";
import { MeaningBadge } from "@/app/_components/meaning-badge";
import { Menu, MenuItem, MenuSeparator } from "@/app/_components/menu";
import { Moment } from "@/app/_components/moment";
import { useToast } from "@/app/_components/toast";
import type { ListedPrompt } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { describeMasked, ruleNames, sourceNames } from "@/app/_lib/prompt-names";
import { useTRPC } from "@/app/_lib/trpc";

type PromptListProps = {
  prompts: readonly ListedPrompt[];
  /** Ids, to make a batch of. */
  chosen: readonly string[];
  onChoose: (promptId: string, isChosen: boolean) => void;
  onChanged: () => Promise<void>;
};

export function PromptList({ prompts, chosen, onChoose, onChanged }: PromptListProps) {
  if (prompts.length === 0) return <p className="mt-4 text-muted">No prompt is like that.</p>;
  return (
    <ul aria-label="Prompts" className="mt-4 max-w-3xl border-t border-line">
      {prompts.map((prompt) => (
        <li key={prompt.id} className="flex items-start gap-2 border-b border-line py-3">
          <input
            type="checkbox"
            className="mt-1.5"
            aria-label={`For a batch: ${nameOf(prompt)}`}
            disabled={!prompt.isUsable}
            checked={chosen.includes(prompt.id)}
            onChange={({ target }) => onChoose(prompt.id, target.checked)}
          />
          <div className="min-w-0 grow">
            <PromptText prompt={prompt} />
            <Facts prompt={prompt} />
          </div>
          {prompt.status !== "erased" && <Actions prompt={prompt} onChanged={onChanged} />}
        </li>
      ))}
    </ul>
  );
}

function nameOf({ messages, isSensitive, isUsable }: ListedPrompt): string {
  if (!isUsable || !messages) return "not to be used now";
  return isSensitive ? "a sensitive prompt" : shorten(messages.at(-1)?.content ?? "");
}

type Turns = NonNullable<ListedPrompt["messages"]>;

function PromptText({ prompt: { messages, useCase, status, isSensitive } }: { prompt: ListedPrompt }) {
  if (status === "erased") return <p className="text-muted">Erased with its owner’s data.</p>;
  if (!messages) return <p className="text-muted">Not shown: its owner does not let it be used.</p>;
  return (
    <details>
      <summary className="cursor-pointer">
        {isSensitive ? (
          <span className="text-muted">Marked as sensitive; open to read</span>
        ) : (
          <span className="break-words">{shorten(messages.at(-1)?.content ?? "")}</span>
        )}
      </summary>
      {useCase !== "" && <p className="mt-2 text-small text-muted">Use case: {useCase}</p>}
      <Conversation messages={messages} />
    </details>
  );
}

function Conversation({ messages }: { messages: Turns }) {
  const names = { system: "system prompt", user: "user", assistant: "assistant" };
  return (
    <div className="mt-2 max-h-96 space-y-3 overflow-y-auto border-l-2 border-line pl-3">
      {messages.map(({ role, content }, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: turns have no other name and never change places
        <div key={i}>
          <p className="text-small text-muted">{names[role]}</p>
          <p className="whitespace-pre-wrap break-words">{content}</p>
        </div>
      ))}
    </div>
  );
}

function Facts({ prompt }: { prompt: ListedPrompt }) {
  const { source, form, split, status, removedBy, duplicateOf, masked, priority, createdAt, isUsable } =
    prompt;
  const maskedText = describeMasked(masked);
  return (
    <div className="mt-1 text-small text-muted">
      <p className="flex flex-wrap gap-x-3">
        <span>{sourceNames[source]}</span>
        {form !== "plain" && <span>{form === "fewShot" ? "few-shot" : "from a use case"}</span>}
        <span>{split}</span>
        {priority > 0 && <span>priority {priority}</span>}
        <Moment at={createdAt} />
        {status === "ready" && !isUsable && <MeaningBadge meaning="people">withheld</MeaningBadge>}
        {status === "reported" && <span className="text-danger">reported</span>}
        {maskedText && <span>masked: {maskedText}</span>}
      </p>
      {status === "removed" && removedBy && (
        <p className="text-people">
          Put aside: {ruleNames[removedBy]}
          {duplicateOf?.messages && ` of “${shorten(duplicateOf.messages.at(-1)?.content ?? "")}”`}
        </p>
      )}
    </div>
  );
}

function Actions({ prompt, onChanged }: { prompt: ListedPrompt; onChanged: () => Promise<void> }) {
  const trpc = useTRPC();
  const toast = useToast();
  const options = {
    onSuccess: onChanged,
    onError: (error: unknown) => toast({ text: errorText(error), isError: true }),
  };
  const reporting = useMutation(trpc.prompts.report.mutationOptions(options));
  const restoring = useMutation(trpc.prompts.restore.mutationOptions(options));
  const marking = useMutation(trpc.prompts.setSensitive.mutationOptions(options));
  const { id: promptId, status, removedBy, isSensitive } = prompt;
  return (
    <Menu trigger={<IconButton icon="dots" label="What to do with it" />}>
      {status !== "ready" && removedBy !== "tooLong" && (
        <MenuItem icon="refresh" onSelect={() => restoring.mutate({ promptId })}>
          Make it ready
        </MenuItem>
      )}
      <MenuItem icon="copy" onSelect={() => void copyId(promptId, toast)}>
        Copy its id
      </MenuItem>
      <MenuItem icon="info" onSelect={() => marking.mutate({ promptId, isSensitive: !isSensitive })}>
        {isSensitive ? "Not sensitive" : "Mark as sensitive"}
      </MenuItem>
      {status !== "reported" && (
        <>
          <MenuSeparator />
          <MenuItem icon="warning" danger onSelect={() => reporting.mutate({ promptId, reason: "harmful" })}>
            Pull: harmful
          </MenuItem>
          <MenuItem icon="warning" danger onSelect={() => reporting.mutate({ promptId, reason: "personal" })}>
            Pull: holds personal data
          </MenuItem>
        </>
      )}
    </Menu>
  );
}

async function copyId(promptId: string, toast: ReturnType<typeof useToast>): Promise<void> {
  try {
    // Browsers offer the clipboard only on https and on this machine.
    await navigator.clipboard.writeText(promptId);
    toast({ text: "Copied." });
  } catch {
    toast({ text: `This browser does not let it be copied. The id is ${promptId}`, isError: true });
  }
}

function shorten(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 160 ? `${line.slice(0, 159)}…` : line;
}
