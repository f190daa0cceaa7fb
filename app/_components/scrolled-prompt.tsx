/** @file A prompt as it stands, without Markdown, in a region of its own that scrolls: read beside responses that take the room. */
import { classNames } from "./class-names";

type ScrolledPromptProps = {
  messages: readonly { role: string; content: string }[];
  /** Says how high the region may become. */
  className: string;
};

export function ScrolledPrompt({ messages, className }: ScrolledPromptProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be focusable (WCAG 2.1.1)
    <section aria-label="Prompt" tabIndex={0} className={classNames("space-y-2 overflow-y-auto", className)}>
      {messages.map(({ role, content }, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: turns have no id, and their order never changes
        <div key={index} className="max-w-[44rem]">
          <p className="text-small text-muted">{role}</p>
          <p className="whitespace-pre-wrap wrap-anywhere">{content}</p>
        </div>
      ))}
    </section>
  );
}
