/** @file How buttons look, for buttons and for links that act as one. */
import { classNames } from "./class-names";

export type ButtonLook = "primary" | "plain" | "quiet" | "danger";

const looks: Record<ButtonLook, string> = {
  primary: "bg-accent text-on-accent hover:bg-accent-hover",
  plain: "border border-control bg-raised hover:bg-hover",
  quiet: "hover:bg-hover",
  danger: "border border-danger text-danger bg-raised hover:bg-hover",
};

const base =
  "inline-flex items-center justify-center gap-2 rounded-md font-medium transition-colors duration-100 disabled:opacity-50 disabled:pointer-events-none";

export function buttonClass(look: ButtonLook = "plain", small = false): string {
  return classNames(base, small ? "min-h-8 px-2.5 text-small" : "min-h-9 px-3.5", looks[look]);
}
