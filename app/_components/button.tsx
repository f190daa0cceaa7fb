/** @file Buttons: one primary action a page, quiet ones beside it, and square ones for an icon with a spoken name. */
"use client";

import type { ComponentProps } from "react";
import { type ButtonLook, buttonClass } from "./button-class";
import { classNames } from "./class-names";
import { Icon, type IconName } from "./icon";
import { Tooltip } from "./tooltip";

export type ButtonProps = ComponentProps<"button"> & {
  look?: ButtonLook;
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
      className={classNames(buttonClass(look, small), busy && "cursor-progress!", className)}
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
