/**
 * @file Renders what a policy wrote. Text is untrusted: no raw HTML, no image is fetched, links go to http(s) or mailto
 * only and carry nothing along. All styling is by class, so a strict content security policy holds.
 */
"use client";

import { type ComponentProps, memo, type ReactElement, type ReactNode } from "react";
import { type Components, Streamdown } from "streamdown";
import { CodeBlock } from "./code-block";
import { safeHref } from "./safe-href";

/** An answer stands under the page's own headings, so its own begin two levels below. */
const headings = { h1: "h3", h2: "h4", h3: "h5", h4: "h6", h5: "h6", h6: "h6" };

// The index signature of `Components` refuses every component with typed props, hence the cast.
const components = {
  ...plainElements(),
  a: Anchor,
  img: ImageMention,
  pre: Preformatted,
  table: ScrollingTable,
  th: (cell) => <th className={alignClass(cell)}>{cell.children}</th>,
  td: (cell) => <td className={alignClass(cell)}>{cell.children}</td>,
} as Components;

/** The library ships its own utility classes for these; ours come from `.prose`. */
function plainElements(): Components {
  const names = [
    ...(["p", "ul", "ol", "li", "blockquote", "hr", "strong"] as const),
    ...(["thead", "tbody", "tr", "sup", "sub", "section", "code"] as const),
  ];
  return { ...Object.fromEntries(names.map((name) => [name, name])), ...headings } as Components;
}

function Anchor({ href, children }: ComponentProps<"a">) {
  const safe = safeHref(href);
  if (!safe) return <span>{children}</span>;
  return (
    <a href={safe} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}

/** Loading an image would tell its server who reads the answer, so it is named and linked instead. */
function ImageMention({ src, alt }: ComponentProps<"img">) {
  return <Anchor href={typeof src === "string" ? src : undefined}>[image: {alt || "no description"}]</Anchor>;
}

function Preformatted({ children }: { children?: ReactNode }) {
  const code = children as ReactElement<{ className?: string; children?: ReactNode }>;
  const language = /language-([\w+#-]+)/.exec(code.props.className ?? "")?.[1] ?? "";
  // The parser gives the text of a block as one string; an empty block has none.
  const text = typeof code.props.children === "string" ? code.props.children : "";
  return <CodeBlock code={text.replace(/\n$/, "")} language={language} />;
}

function ScrollingTable({ children }: ComponentProps<"table">) {
  return (
    // A wide table scrolls by itself; with tabIndex the keyboard can do so too.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be focusable (WCAG 2.1.1)
    <section aria-label="Table" tabIndex={0} className="overflow-x-auto">
      <table>{children}</table>
    </section>
  );
}

/** Columns are aligned by class: the parser's inline style would be refused in server-rendered pages. */
function alignClass({ style }: ComponentProps<"td">): string | undefined {
  if (style?.textAlign === "right") return "text-right";
  if (style?.textAlign === "center") return "text-center";
  return undefined;
}

type MarkdownProps = { text: string; isStreaming?: boolean };

export const MarkdownDocument = memo(function MarkdownDocument({ text, isStreaming = false }: MarkdownProps) {
  return (
    <Streamdown
      className="prose"
      mode={isStreaming ? "streaming" : "static"}
      isAnimating={isStreaming}
      // None of the default rehype plugins: they parse raw HTML. Without them it is shown as text.
      rehypePlugins={[]}
      urlTransform={(url) => safeHref(url) ?? null}
      controls={false}
      linkSafety={{ enabled: false }}
      components={components}
    >
      {text}
    </Streamdown>
  );
});
