/** @file Dialogs for what needs the whole attention, and drawers that slide in from the side on small screens. */
"use client";

import { Dialog as Primitive } from "radix-ui";
import { type ReactNode, useRef } from "react";
import { isWriting } from "../_lib/use-shortcuts";
import { classNames } from "./class-names";
import { Icon } from "./icon";

type DialogProps = {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  /** One sentence under the title. */
  description?: string;
  wide?: boolean;
  /** One-key shortcuts within it, silent while text is being written. With them, no field takes the focus at first. */
  keys?: Record<string, () => void>;
  children: ReactNode;
};

const overlayClass = "fixed inset-0 z-40 bg-scrim";
const fields = "input:not([type=hidden], :disabled), textarea, select";

export function Dialog({ open, onOpenChange, title, description, wide, keys, children }: DialogProps) {
  const body = useRef<HTMLDivElement>(null);
  return (
    <Primitive.Root open={open} onOpenChange={onOpenChange}>
      <Primitive.Portal>
        <Primitive.Overlay className={overlayClass} />
        <Primitive.Content
          {...(description ? {} : { "aria-describedby": undefined })}
          // To the first field, or to the text, which the arrows then scroll; never to a button, which Enter would press.
          onOpenAutoFocus={(event) => {
            event.preventDefault();
            const field = keys ? null : body.current?.querySelector<HTMLElement>(fields);
            (field ?? body.current)?.focus();
          }}
          onKeyDown={({ key, target, ctrlKey, metaKey, altKey }) => {
            if (!ctrlKey && !metaKey && !altKey && !isWriting(target)) keys?.[key.toLowerCase()]?.();
          }}
          className={classNames(
            "fixed top-1/2 left-1/2 z-40 flex max-h-[calc(100dvh-2rem)] w-[calc(100vw-2rem)] -translate-1/2 flex-col rounded-xl border border-line bg-raised shadow-float animate-appear",
            wide ? "max-w-2xl" : "max-w-md",
          )}
        >
          <header className="pr-14 pl-5 pt-4">
            <Primitive.Title className="py-1 font-semibold">{title}</Primitive.Title>
            {description && (
              <Primitive.Description className="text-small text-muted">{description}</Primitive.Description>
            )}
          </header>
          <div ref={body} tabIndex={-1} className="overflow-y-auto px-5 pt-3 pb-5 outline-none">
            {children}
          </div>
          {/* Last in reading order. Without a tooltip: Escape would close that first, and the dialog only the second time. */}
          <Primitive.Close
            aria-label="Close"
            className="absolute top-4 right-3 inline-flex size-8 items-center justify-center rounded-md text-muted hover:bg-hover hover:text-ink"
          >
            <Icon name="close" />
          </Primitive.Close>
        </Primitive.Content>
      </Primitive.Portal>
    </Primitive.Root>
  );
}

type DrawerProps = {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  children: ReactNode;
};

/** The conversation list on a phone: over the page, from the left. */
export function Drawer({ open, onOpenChange, title, children }: DrawerProps) {
  return (
    <Primitive.Root open={open} onOpenChange={onOpenChange}>
      <Primitive.Portal>
        <Primitive.Overlay className={overlayClass} />
        <Primitive.Content
          aria-describedby={undefined}
          // Focus on the first field would open the keyboard of a phone.
          onOpenAutoFocus={(event) => {
            event.preventDefault();
            if (event.currentTarget instanceof HTMLElement) event.currentTarget.focus();
          }}
          className="fixed inset-y-0 left-0 outline-none z-40 flex w-[min(20rem,88vw)] flex-col bg-sunken shadow-float animate-appear"
        >
          <Primitive.Title className="sr-only">{title}</Primitive.Title>
          {children}
        </Primitive.Content>
      </Primitive.Portal>
    </Primitive.Root>
  );
}
