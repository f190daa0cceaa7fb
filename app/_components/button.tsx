/** @file Buttons: one primary action a page, quiet ones beside it, and square ones for an icon with a spoken name. */
"use client";

import type { ComponentProps } from "react";
import { classNames } from "./class-names";
import { Icon, type IconName } from "./icon";
import { Tooltip } from "./tooltip";

type Look = "primary" | "plain" | "quiet" | "danger";

const looks: Record<Look, string> = {
  primary: "bg-accent text-on-accent hover:bg-accent-hover",
  plain: "border border-control bg-raised hover:bg-hover",
  quiet: "hover:bg-hover",
  danger: "border border-danger text-danger bg-raised hover:bg-hover",
};

const base =
  "inline-flex items-center justify-center gap-2 rounded-md font-medium transition-colors duration-100 disabled:opacity-50 disabled:pointer-events-none";

export function buttonClass(look: Look = "plain", small = false): string {
  return classNames(base, small ? "min-h-8 px-2.5 text-small" : "min-h-9 px-3.5", looks[look]);
}

export type ButtonProps = ComponentProps<"button"> & {
  look?: Look;
  small?: boolean;
  /** Work is under way: the button stays readable, announces itself busy and takes no second press. */
  busy?: boolean;
};

export function Button({ look = "plain", small, busy, className, disabled, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
      className={classNames(buttonClass(look, small), busy && "animate-pulse-quiet", className)}
    />
  );
}

type IconButtonProps = Omit<ComponentProps<"button">, "children"> & {
  icon: IconName;
  /** The accessible name, also shown as a tooltip. */
  label: string;
  /** Shown after the name in the tooltip. */
  shortcut?: string;
  size?: number;
};

export function IconButton({ icon, label, shortcut, size, className, ...rest }: IconButtonProps) {
  return (
    <Tooltip text={shortcut ? `${label} (${shortcut})` : label}>
      <button
        type="button"
        aria-label={label}
        {...rest}
        className={classNames(
          "inline-flex size-8 shrink-0 items-center justify-center rounded-md text-muted transition-colors duration-100 hover:bg-hover hover:text-ink disabled:opacity-40 disabled:pointer-events-none aria-pressed:text-ink aria-pressed:bg-selected data-[state=open]:bg-hover",
          className,
        )}
      >
        <Icon name={icon} size={size} />
      </button>
    </Tooltip>
  );
}
