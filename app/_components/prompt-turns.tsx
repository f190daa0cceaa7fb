/** @file A prompt to read: the turns of its conversation, one below the other. */
import { Markdown } from "./markdown";

const roleNames = { system: "System prompt", user: "User", assistant: "Assistant" } as const;

type Turns = readonly { role: keyof typeof roleNames; content: string }[];

export function PromptTurns({ messages }: { messages: Turns }) {
  return (
    <div className="max-w-[46rem] space-y-3">
      {messages.map(({ role, content }, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the turns of a prompt never change places
        <div key={index}>
          <p className="text-small text-muted">{roleNames[role]}</p>
          <div className="break-words">
            <Markdown text={content} />
          </div>
        </div>
      ))}
    </div>
  );
}
