/** @file Which addresses an answer may link to: http, https and mailto; everything else becomes plain text. */

const allowedProtocols = new Set(["http:", "https:", "mailto:"]);

/** The normalised absolute address, or undefined when it is relative, malformed or of another protocol. */
export function safeHref(href: string | null | undefined): string | undefined {
  if (!href || !URL.canParse(href)) return undefined;
  const url = new URL(href);
  return allowedProtocols.has(url.protocol) ? url.href : undefined;
}
