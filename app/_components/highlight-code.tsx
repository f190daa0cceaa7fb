/** @file Highlighting by class name (inline styles would break the content security policy). Loaded on demand. */
import { toJsxRuntime } from "hast-util-to-jsx-runtime";
import { common, createLowlight } from "lowlight";
import type { ReactNode } from "react";
import { Fragment, jsx, jsxs } from "react/jsx-runtime";

const lowlight = createLowlight(common);
lowlight.registerAlias({ bash: ["console", "shell", "zsh"], javascript: ["jsx"], typescript: ["tsx"] });

/** Above this size highlighting would be felt while typing or streaming. */
const maximumLength = 50_000;

/** Null when the language is unknown or the code too long: the caller shows it plain. */
export function highlightCode(code: string, language: string): ReactNode | null {
  const name = language.toLowerCase();
  if (code.length > maximumLength || !lowlight.registered(name)) return null;
  return toJsxRuntime(lowlight.highlight(name, code), { Fragment, jsx, jsxs });
}
